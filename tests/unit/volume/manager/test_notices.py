# SPDX-License-Identifier: Apache-2.0
"""Notifications of operations: written in the transaction that ends the operation, once for all its
attempts."""
import pytest

from cinder import exception
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import volumes as volumes_db
from cinder.volume.api import volumes as volumes_api
from tests.fakes.journal import schedule, wake
from tests.unit.volume.conftest import BACKEND, POOL


@pytest.fixture
def kept(manager, told):
    """Read (event, status) of the notifications."""
    manager.runner.stop()  # only messages are delivered
    return lambda: [(event, payload['status']) for event, payload, _changed in told.events]


@pytest.fixture
def created(ctxt, kept, sent):
    """A volume whose creation is delivered next; returns (id, operation)."""
    made = volumes_api.create(ctxt, size=1)
    operation = sent[-1][1]['operation']
    volumes_db.update(ctxt, made.id, {'host': POOL})
    schedule(ctxt, operation, BACKEND)
    return made.id, operation


@pytest.fixture
def deliver(ctxt, manager, created):
    def run(attempt=0):
        volume, operation = created
        operation = operations_db.get(ctxt, operation.id)
        wake(ctxt, operation)
        operation.attempt = attempt
        manager.runner.handlers['volume.create'](ctxt, operation=operation,
                                                 volume=volumes_db.get(ctxt, volume))
        return operations_db.get(ctxt, operation.id).state
    return run


def test_a_creation(deliver, kept):
    assert deliver() == 'done'
    assert kept() == [('volume.create.start', 'creating'), ('volume.create.end', 'available')]


def test_a_creation_that_fails(deliver, kept):
    assert deliver(attempt=99) == 'failed'
    assert kept() == [('volume.create.error', 'error')]


def test_attempts_that_do_not_end(manager, deliver, kept, monkeypatch):
    """As when a process is killed: nothing is notified twice, or of an end that is not there."""
    driver = manager.backend.driver
    real = driver.create_volume

    def unresponsive(_volume):
        raise exception.BackendUnresponsive(data='x')
    monkeypatch.setattr(driver, 'create_volume', unresponsive)
    for _number in range(2):
        assert deliver() == 'queued'
        assert kept() == [('volume.create.start', 'creating')]
    monkeypatch.setattr(driver, 'create_volume', real)
    assert deliver() == 'done'
    assert kept() == [('volume.create.start', 'creating'), ('volume.create.end', 'available')]


@pytest.mark.parametrize('committed', [True, False])
def test_an_end_whose_commit_is_lost(ctxt, created, deliver, kept, monkeypatch, committed):
    """The row and the notification are both there, or both are not and are written again."""
    real, lost = session.commit, []

    def commit(transaction):
        rows = transaction.connection.exec_driver_sql('SELECT event_type FROM notices')
        ends = any(event == 'volume.create.end' for event, in rows)
        if ends and not lost:
            lost.append(committed)
            if committed:
                real(transaction)
            else:
                transaction.rollback()
            raise exception.CommitUnknown()
        real(transaction)
    monkeypatch.setattr(session, 'commit', commit)
    assert deliver() == 'done' and lost
    assert volumes_db.get(ctxt, created[0]).status == 'available'
    assert kept() == [('volume.create.start', 'creating'), ('volume.create.end', 'available')]
