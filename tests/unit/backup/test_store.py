# SPDX-License-Identifier: Apache-2.0
"""Whether the store answers, and how often it is asked."""
import pytest

from cinder import exception
from cinder.backup import store
from tests.fakes import memory_store

DRIVER = 'tests.fakes.memory_store.MemoryBackupDriver'


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self) -> float:
            return self.now
    return Clock()


@pytest.fixture
def made(conf, clock):
    conf.set_override('backup_driver', DRIVER)
    return store.Store(conf, clock)


def look(made):
    """One heartbeat; return whether it asked the store."""
    before, made._checking = made._checking, None
    made.start_check()
    if made._checking is None:
        made._checking = before
        return False
    made._checking.join()
    return True


def test_it_does_not_work_before_it_was_asked(made):
    assert not made.answers and 'not been checked' in made.trouble
    made.check()
    assert made.answers and made.service == DRIVER


def test_the_intervals_are_those_of_the_options(conf, made, clock):
    conf.set_override('backup_driver_init_check_interval', 5)
    conf.set_override('backup_driver_stats_polling_interval', 30)
    made.driver.trouble = exception.BackupStoreUnavailable(where='bucket', reason='no route')
    assert look(made) and made.trouble.endswith('bucket: no route')
    clock.now += 4
    made.driver.trouble = None
    assert not look(made) and not made.answers
    clock.now += 1
    assert look(made) and made.answers
    clock.now += 29
    assert not look(made)
    made.check_soon()
    assert look(made)


def test_a_store_that_hangs_is_down(conf, made, clock, monkeypatch):
    made.check()

    class Hanging:
        def is_alive(self):
            return True
    made._checking, made._began = Hanging(), clock.now
    made.start_check()
    assert made.answers
    clock.now += conf.backup_driver_init_check_interval + 1
    made.start_check()
    assert 'has not answered for 61 s' in made.trouble


def test_the_driver_must_be_one(conf):
    conf.set_override('backup_driver', 'cinder.backup.store.Store')
    with pytest.raises(exception.InvalidConfigurationValue, match='backup_driver'):
        store.Store(conf)
    assert issubclass(memory_store.MemoryBackupDriver, store.driver_api.BackupDriver)
