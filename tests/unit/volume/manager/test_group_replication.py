# SPDX-License-Identifier: Apache-2.0
"""Replication of groups, from the accepted request to the rows of the group and its volumes; and
what a type asks for by retype."""
import pytest
from oslo_messaging.rpc import dispatcher

from cinder import exception
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.api import group_replication
from tests.unit.volume.conftest import BACKEND, POOL


@pytest.fixture
def manager(database, conf, sent, ctxt):
    made = services_db.create(ctxt, {'host': BACKEND, 'binary': 'cinder-volume', 'topic': 't'})
    services_db.heartbeat(ctxt, made.id)
    conf.set_override('volume_driver', 'tests.fakes.replicated.ReplicatedDriver',
                      'backend_defaults')
    manager = manager_package.VolumeManager(BACKEND)
    manager.init_host()
    yield manager
    manager.stop()


@pytest.fixture
def group(ctxt, manager):
    """A group with two volumes, and one volume that is not in it."""
    kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True},
                                 {'group_replication_enabled': '<is> True'})
    made = groups_db.create(ctxt, {
        'project_id': 'p1', 'status': 'available', 'host': POOL, 'replication_status': 'disabled'},
        [types_db.default(ctxt).id], kind)
    for group_id in (made.id, made.id, None):
        volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL, 'group_id': group_id,
                                 'status': 'available', 'replication_status': 'disabled'})
    return groups_db.get(ctxt, made.id)


@pytest.fixture
def act(ctxt, manager, sent, group):
    """Accept a verb and run it; return the operation and the replication statuses."""
    def act(verb, **arguments):
        loaded = groups_db.get(ctxt, group.id)
        group_replication.replicate(ctxt, loaded, verb, **arguments)
        operation = sent[-1][1]['operation']
        manager.runner.handlers[operation.verb](ctxt, operation)
        volumes = [volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, group.id)]
        return operations_db.get(ctxt, operation.id).state, [
            each.replication_status for each in (groups_db.get(ctxt, group.id), *volumes)]
    return act


def test_on_over_back_and_off(manager, ctxt, act, group):
    assert act('enable_replication') == ('done', ['enabled'] * 3)
    ident = groups_db.volume_ids(ctxt, group.id)[0]
    assert volumes_db.get(ctxt, ident).replication_driver_data == group.id
    assert act('failover_replication', backend_id='second') == ('done', ['failed-over'] * 3)
    assert act('failover_replication', backend_id='default') == ('done', ['enabled'] * 3)
    assert act('disable_replication') == ('done', ['disabled'] * 3)
    assert groups_db.get(ctxt, group.id).status == 'available'


def test_a_failure_is_an_error_and_may_be_tried_again(manager, act):
    manager.backend.driver.wrong = exception.VolumeBackendAPIException(data='no')
    assert act('enable_replication') == ('failed', ['error'] * 3)
    manager.backend.driver.wrong = None
    assert act('enable_replication') == ('done', ['enabled'] * 3)


def test_one_volume_that_cannot_fail_over(manager, ctxt, act, group):
    act('enable_replication')
    ident = groups_db.volume_ids(ctxt, group.id)[0]
    manager.backend.driver.wrong = {ident: {'replication_status': 'failover-error'}}
    assert act('failover_replication') == ('done', ['error', 'failover-error', 'failed-over'])
    assert volumes_db.get(ctxt, ident).status == 'error'


def test_targets(manager, ctxt, group):
    endpoint = next(each for each in manager.additional_endpoints
                    if hasattr(each, 'list_replication_targets'))
    assert endpoint.list_replication_targets(ctxt, group)[0]['backend_id'] == 'second'
    endpoint.driver = object()
    with pytest.raises(dispatcher.ExpectedException) as refusal:
        endpoint.list_replication_targets(ctxt, group)
    assert 'does not replicate groups' in str(refusal.value.exc_info[1])


def test_a_retype_asks_the_driver(manager, ctxt):
    new_type = types_db.create(ctxt, {'name': 'mirrored', 'is_public': True},
                               {'replication_enabled': '<is> True'})
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': POOL,
                                      'status': 'retyping', 'previous_status': 'available'})
    operation = operations_db.create(ctxt, 'volume.retype', volume, host=BACKEND,
                                     arguments={'new_type_id': new_type.id})
    manager.runner.handlers['volume.retype'](ctxt, operation)
    found = volumes_db.get(ctxt, volume.id)
    assert (found.status, found.volume_type_id, found.replication_status) == (
        'available', new_type.id, 'enabled')
