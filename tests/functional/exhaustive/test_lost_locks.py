# SPDX-License-Identifier: Apache-2.0
"""The locks of the process are lost at every look of every operation: it stops there, nothing is
put in error, and whoever has the lock ends it. The same where a stop gives the operation back."""
import oslo_messaging as messaging
import pytest

from cinder import coordination, exception, ownership
from cinder.db import attachments as attachments_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from tests.functional.exhaustive import test_database_faults as faults
from tests.unit.volume.conftest import POOL

world = faults.world
VERBS = ('create', 'clone', 'delete', 'cascade', 'extend', 'snapshot_create', 'snapshot_delete',
         'revert')


class Looks:
    """Counts the looks, and does something before one of them."""

    def __init__(self, monkeypatch, lose):
        self._confirm, self._lose, self.at, self.count = ownership.confirm, lose, None, 0
        monkeypatch.setattr(ownership, 'confirm', self)

    def __call__(self):
        self.count += 1
        if self.count == self.at:
            self._lose()
        self._confirm()

    def arm(self, number):
        self.at, self.count = number, 0


@pytest.mark.parametrize('verb', VERBS)
def test_an_operation_stops_before_its_next_change_and_is_done_again(world, monkeypatch, verb):
    looks, number = Looks(monkeypatch, lambda: coordination.COORDINATOR._leases.lose()), 0
    while True:
        number += 1
        operation, resource, done = getattr(world, verb)()
        looks.arm(number)
        world.run(operation, resource)
        left = operations_db.get(world.ctxt, operation.id)
        assert messages_db.list_rows(world.ctxt).rows == []
        if looks.count < number:
            break
        # It looked once, which was the last thing it did.
        assert looks.count == number
        assert (left.state, left.attempt, left.owner) == ('queued', 1, None)
        looks.arm(None)
        world.run(left)
        faults.check(world, operation, done)
    faults.check(world, operation, done)
    # Before the work, before each step of it, and before its end.
    assert number > 3


@pytest.mark.parametrize('verb', VERBS)
def test_what_a_stop_gave_back_changes_nothing_more(world, monkeypatch, verb):
    runner = world.manager.runner
    looks = Looks(monkeypatch, runner.release_operations)
    operation, resource, done = getattr(world, verb)()
    looks.arm(2)
    world.run(operation, resource)
    assert looks.count == 2
    left = operations_db.get(world.ctxt, operation.id)
    assert (left.state, left.attempt, left.owner) == ('queued', 1, None)
    runner.has_released = False
    world.run(left)
    faults.check(world, operation, done)


def test_a_call_is_answered_503_and_writes_nothing(world, manager, monkeypatch):
    volume = volumes_db.create(world.ctxt, {
        'project_id': 'p', 'size': 1, 'host': POOL, 'status': 'attaching'})
    attachment = attachments_db.create(world.ctxt, {
        'volume_id': volume.id, 'attach_status': 'reserved'})
    endpoint = next(each for each in manager.additional_endpoints
                    if hasattr(each, 'attachment_update'))

    def create_export(*_args):
        coordination.COORDINATOR._leases.lose()
        ownership.confirm()
    monkeypatch.setattr(endpoint.driver, 'create_export', create_export)
    with pytest.raises(messaging.ExpectedException) as caught:
        endpoint.attachment_update(world.ctxt, volume, {'host': 'h'}, attachment.id)
    kind, error, _trace = caught.value.exc_info
    assert kind is exception.LockLost and error.code == 503
    assert attachments_db.get(world.ctxt, attachment.id).attach_status == 'reserved'
    assert messages_db.list_rows(world.ctxt).rows == []
