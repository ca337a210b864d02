# SPDX-License-Identifier: Apache-2.0
"""When a notification of the progress of a backup is due, and what it says."""
import pytest

from cinder import objects
from cinder.backup import progress_notifications
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.conf import CONF


@pytest.fixture
def sent(monkeypatch):
    found = []
    monkeypatch.setattr(progress_notifications.notifications, 'notify',
                        lambda _ctxt, _kind, event, _backup, **more: found.append(
                            (event, more['backup_percent'])))
    return found


@pytest.mark.parametrize(('timer', 'expected'), [(True, [10, 30, 40]), (False, [30])])
def test_one_is_due_after_some_seconds_and_after_some_objects(ctxt, conf, sent, timer, expected):
    conf.set_override('backup_timer_interval', 100)
    conf.set_override('backup_object_number_per_notification', 5)
    times = iter([0, 100, 150, 160, 260])
    notifier = progress_notifications.ProgressNotifier(
        ctxt, objects.Backup(id='b'), timer, lambda: next(times))
    for done, count in ((10, 1), (20, 2), (30, 6), (40, 7)):
        notify = notifier.observe(done, 100, count)
        if notify:
            notify()
    assert sent == [('backup.createprogress', percent) for percent in expected]


@pytest.mark.parametrize('timer', [True, False])
def test_the_driver_says_whether_time_counts(conf, timer):
    conf.set_override('backup_enable_progress_timer', timer)
    assert PosixBackupDriver(CONF).enable_progress_timer is timer
