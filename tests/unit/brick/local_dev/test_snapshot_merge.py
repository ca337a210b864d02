# SPDX-License-Identifier: Apache-2.0
"""The merge of a snapshot: other commands run meanwhile, and each attempt waits for its end."""
import pytest

from cinder import exception, ownership
from cinder.brick.local_dev import reports, snapshot_merge
from tests.fakes.volume_group import GIB
from tests.unit.brick.local_dev.conftest import SNAPSHOT


@pytest.fixture
def pauses(monkeypatch):
    made = []
    monkeypatch.setattr(snapshot_merge.time, 'sleep', made.append)
    return made


@pytest.fixture
def changed(thick, fake):
    """A volume that was changed after its snapshot was taken."""
    thick.create_volume('a', GIB)
    fake.volumes['a'].data = b'old'
    thick.create_snapshot('s', 'a')
    fake.volumes['a'].data = b'new'
    fake.volumes['s'].data = b'old'
    fake.commands.clear()
    return fake.volumes['a']


def changes(fake):
    return [' '.join(argv) for argv in fake.commands if argv[0] != 'lvs']


def test_other_changes_run_during_a_merge(thick, fake, changed, pauses, monkeypatch):
    fake.merge_reports = 10

    def create(_seconds):
        assert thick._changing._holder is None
        thick.create_volume(f'other-{fake.merge_reports}', GIB)
        pauses.append(_seconds)
    monkeypatch.setattr(snapshot_merge.time, 'sleep', create)
    thick.revert('a', 's', GIB)
    assert changed.data == b'old' and fake.volumes['s'].origin == 'a'
    assert len(pauses) == 8 and pauses[0] < pauses[-1] == snapshot_merge.CHECK_SECONDS


def test_the_next_attempt_waits_for_a_merge_that_continues(thick, fake, changed, pauses):
    fake.merge_reports = 100
    pauses.extend(range(3))

    class Lost:
        def confirm(self):
            if pauses:
                raise exception.OperationLost(operation_id='1')
    with pytest.raises(exception.OperationLost), ownership.depending_on(Lost()):
        thick.revert('a', 's', GIB)
    fake.merge_reports, fake.commands = 5, []
    thick.revert('a', 's', GIB)
    assert changed.data == b'old'
    assert changes(fake) == ['lvchange --poll y vg/a', f'lvcreate -s -y -L {SNAPSHOT}b -n s vg/a']


def test_lvm_is_asked_to_poll_a_finished_merge(thick, fake, changed, pauses):
    fake.merge_reports = None
    thick.revert('a', 's', GIB)
    assert changes(fake)[1:] == ['lvchange --poll y vg/a',
                                 f'lvcreate -s -y -L {SNAPSHOT}b -n s vg/a']
    assert len(pauses) == snapshot_merge.CHECKS_BEFORE_POLL


def test_a_merge_that_does_not_start_fails(thick, fake, changed, pauses):
    fake.fail('lvconvert', stderr='  Something new.')
    with pytest.raises(reports.LVMError):
        thick.revert('a', 's', GIB)
    assert changed.data == b'new' and not pauses
