# SPDX-License-Identifier: Apache-2.0
"""A volume that is being retyped counts for both types from the acceptance to the end, whichever it
is; afterwards for the one that it has."""
import pytest
import sqlalchemy as sa

from cinder import exception, operations
from cinder.cmd import quota_recount
from cinder.conf import CONF
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import session
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volume_actions
from cinder.volume.api import volumes as volumes_api
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL


@pytest.fixture
def gold(ctxt, database):
    made = types_db.create(ctxt, {'name': 'gold', 'is_public': True})
    return types_db.get(ctxt, made.id)


@pytest.fixture
def make(ctxt, manager):
    def make(**values):
        made = volumes_db.create(ctxt, {
            'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': 3, 'host': POOL,
            'status': 'available', 'attach_status': 'detached', 'use_quota': True,
            'volume_type_id': types_db.default(ctxt).id, **values})
        manager.backend.driver.create_volume(made)
        return volumes_db.get(ctxt, made.id)
    return make


class Retype:
    """A retype that was accepted."""

    def __init__(self, ctxt, manager, sent, volume, new_type):
        self.ctxt, self.manager, self.sent, self.volume = ctxt, manager, sent, volume
        volume_actions.retype(ctxt, volume, new_type)
        self.operation = sent[-1][1]['operation']

    def place(self):
        """What the scheduler does where the type fits."""
        operations.OperationRunner('s', 'schedule', {}).claim(self.ctxt, self.operation)
        operations_db.requeue(self.ctxt, self.operation, stage='execute', host=BACKEND)

    def run(self, resource=None):
        """The back end comes to it; by itself it loads the volume."""
        self.manager.runner.handlers['volume.retype'](self.ctxt, self.operation, resource)

    def reset(self):
        volumes_api.reset_status(self.ctxt, self.volume, 'available')

    # ----------------------------------------------------- the ends
    def done(self):
        self.place()
        self.run()

    def refused_by_the_scheduler(self):
        operations.OperationRunner('s', 'schedule', {}).claim(self.ctxt, self.operation)
        operations.fail(self.ctxt, self.operation, self.volume, 'No back end fits.')

    def given_up_after_too_many_attempts(self):
        self.place()
        self.operation.attempt = CONF.operation_max_attempts + 1
        self.run()

    def done_before_it_sees_the_reset(self):
        self.place()
        self.reset()
        self.run(self.volume)

    def superseded_by_a_reset(self):
        self.place()
        self.reset()
        self.run()

    def deleted_by_force_in_the_scheduler(self):
        volumes_api.delete(self.ctxt, self.volume, force=True)
        self._delete()

    def deleted_by_force_on_the_back_end(self):
        self.place()
        volumes_api.delete(self.ctxt, self.volume, force=True)
        self._delete()
        self.run()

    def deleted_by_force_while_it_waits(self):
        self.place()
        with (pytest.raises(exception.NotYet),
              self.manager.runner.claimed(self.ctxt, self.operation, 'test')):
            raise exception.NotYet(60, 'somebody')
        self.deleted_by_force_in_the_scheduler()
        wake(self.ctxt, self.operation)
        self.run()

    def _delete(self):
        self.manager.runner.handlers['volume.delete'](self.ctxt, **self.sent[-1][1])


ENDS = {'done': 'gold', 'refused_by_the_scheduler': '__DEFAULT__',
        'given_up_after_too_many_attempts': '__DEFAULT__',
        'done_before_it_sees_the_reset': 'gold', 'superseded_by_a_reset': '__DEFAULT__',
        'deleted_by_force_in_the_scheduler': None, 'deleted_by_force_on_the_back_end': None,
        'deleted_by_force_while_it_waits': None}


def usage(ctxt):
    """What is counted, which is also what the rows add up to."""
    assert quota_recount.differences(ctxt) == []
    counted = quotas_db.limits_and_usage(ctxt, ctxt.project_id).usage
    return {name: number for name, number in counted.items() if number}


def counts(*types):
    """One volume of 3 GiB, with these types."""
    found = {'volumes': 1, 'gigabytes': 3} if types else {}
    for name in types:
        found |= {f'volumes_{name}': 1, f'gigabytes_{name}': 3}
    return found


def test_all_ends_are_tried():
    assert set(ENDS) == {name for name in vars(Retype) if name[0] != '_'} - {
        'place', 'run', 'reset'}


@pytest.mark.parametrize('end', ENDS)
def test_it_counts_for_both_types_until_its_end(ctxt, manager, sent, make, gold, end):
    retype = Retype(ctxt, manager, sent, make(), gold)
    assert usage(ctxt) == counts('__DEFAULT__', 'gold')
    getattr(retype, end)()
    assert operations_db.get(ctxt, retype.operation.id).finished_at is not None
    kept = [ENDS[end]] if ENDS[end] else []
    assert usage(ctxt) == counts(*kept)


def test_the_second_of_two_finds_no_room(ctxt, manager, sent, make, gold):
    quotas_db.set_limits(ctxt, ctxt.project_id, {'volumes_gold': 1})
    first, second = make(), make()
    retype = Retype(ctxt, manager, sent, first, gold)
    with pytest.raises(exception.VolumeLimitExceeded) as caught:
        volume_actions.retype(ctxt, second, gold)
    assert caught.value.code == 413
    assert volumes_db.get(ctxt, second.id).status == 'available'
    # A creation of that type finds none either; and there is room again when the first one fails.
    with pytest.raises(exception.VolumeLimitExceeded):
        volumes_api.create(ctxt, size=1, volume_type=gold)
    retype.refused_by_the_scheduler()
    Retype(ctxt, manager, sent, second, gold)


def test_what_is_under_way_counts_with_its_size_and_of_its_own_project(
        ctxt, manager, sent, make, gold):
    quotas_db.set_limits(ctxt, ctxt.project_id, {'gigabytes_gold': 5})
    Retype(ctxt, manager, sent, make(), gold)
    other = make(project_id='p2')
    with pytest.raises(exception.VolumeSizeExceedsAvailableQuota):
        volume_actions.retype(ctxt, make(), gold)
    assert quotas_db.limits_and_usage(ctxt, 'p2').usage.get('volumes_gold') is None
    volume_actions.retype(ctxt, other, gold)
    assert quotas_db.limits_and_usage(ctxt, 'p2').usage['volumes_gold'] == 1


def test_what_is_not_counted_is_not_counted_either_way(ctxt, manager, sent, make, gold):
    Retype(ctxt, manager, sent, make(use_quota=False), gold)
    assert usage(ctxt) == {}


def test_it_costs_a_statement_only_while_one_is_under_way(ctxt, manager, sent, make, gold):
    asked, engine = [], session.current().reader
    volume = make()

    def note(*args):
        asked.append(args[2])
    sa.event.listen(engine, 'before_cursor_execute', note)
    try:
        quotas_db.limits_and_usage(ctxt, ctxt.project_id)
        assert len(asked) == 1
        Retype(ctxt, manager, sent, volume, gold)
        asked.clear()
        quotas_db.limits_and_usage(ctxt, ctxt.project_id)
        assert len(asked) == 2
    finally:
        sa.event.remove(engine, 'before_cursor_execute', note)
