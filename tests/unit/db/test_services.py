# SPDX-License-Identifier: Apache-2.0
"""Services and clusters: registration, heartbeats, who is up."""
import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import clusters, models, services, session
from tests.fakes import backup_service


@pytest.fixture
def make(database, ctxt):
    def make_service(host, binary='cinder-volume', **values):
        made = services.create(ctxt, {'host': host, 'binary': binary, 'topic': binary, **values})
        services.heartbeat(ctxt, made.id)
        return services.get(ctxt, made.id)
    return make_service


def silence(ctxt, service_id, seconds):
    """Let the last heartbeat be so many seconds ago."""
    table = models.Service.__table__
    with session.writer(ctxt) as conn:
        conn.execute(table.update().where(table.c.id == service_id).values(
            updated_at=session.in_seconds(-seconds)))


def test_a_row_alone_is_not_up(database, ctxt):
    assert not services.create(ctxt, {'host': 'n1', 'binary': 'b', 'topic': 'b'}).is_up


def test_up_by_the_database_clock(make, ctxt):
    service = make('n1')
    assert service.is_up
    silence(ctxt, service.id, CONF.service_down_time + 1)
    assert not services.is_up(ctxt, service.id)
    services.update(ctxt, service.id, {'disabled': True, 'disabled_reason': 'why'})
    read = services.get(ctxt, service.id)
    assert (read.is_up, read.disabled) == (False, True)
    assert read.modified_at > read.updated_at
    services.heartbeat(ctxt, service.id)
    read = services.get(ctxt, service.id)
    assert (read.is_up, read.report_count) == (True, 2)


@pytest.mark.parametrize(('periods', 'is_up', 'was_up'), [
    (0.5, True, True), (1.5, False, True), (2.5, False, False)])
def test_a_service_was_up_until_it_is_down_for_long(make, ctxt, periods, is_up, was_up):
    service = make('n1')
    silence(ctxt, service.id, CONF.service_down_time * periods)
    read = services.get(ctxt, service.id)
    assert (read.is_up, read.was_up) == (is_up, was_up)
    returning = services.list_returning(ctxt, service.binary)
    assert [each.host for each in returning] == (['n1'] if was_up and not is_up else [])


def test_why_it_does_not_work_is_told_of_an_enabled_one(make, ctxt):
    service = make('n1')
    silence(ctxt, service.id, 5)
    before = services.get(ctxt, service.id).updated_at
    services.set_down_reason(ctxt, service.id, 'r' * 300)
    read = services.get(ctxt, service.id)
    assert (read.disabled_reason, read.updated_at) == ('r' * 255, before)
    services.set_down_reason(ctxt, service.id, None)
    assert services.get(ctxt, service.id).disabled_reason is None
    services.update(ctxt, service.id, {'disabled': True, 'disabled_reason': 'new disks'})
    for reason in ('away', None):
        services.set_down_reason(ctxt, service.id, reason)
        assert services.get(ctxt, service.id).disabled_reason == 'new disks'


def test_a_heartbeat_is_one_statement(make, ctxt, statements):
    service = make('n1')
    statements.clear()
    services.heartbeat(ctxt, service.id)
    assert len(statements) == 1


def test_registered_again_keeps_its_uuid(make, ctxt):
    first = make('n1', disabled=True)
    services.destroy(ctxt, first.id)
    with pytest.raises(exception.ServiceNotFound):
        services.heartbeat(ctxt, first.id)
    with pytest.raises(exception.ServiceHostNotFound):
        services.get_by_host_binary(ctxt, 'n1', 'cinder-volume')
    again = make('n1')
    assert (again.id, again.uuid, again.disabled) == (first.id, first.uuid, False)


def test_lists(make, ctxt):
    make('n1', 'cinder-scheduler')
    one = make('n1@a', cluster_name='c')
    make('n1@b', disabled=True)
    make('n10')
    silence(ctxt, one.id, 1000)

    def hosts(**wanted):
        return [service.host for service in services.list_all(ctxt, **wanted)]
    assert hosts(host='n1') == ['n1', 'n1@a', 'n1@b']
    assert hosts(host='n1@a') == ['n1@a']
    assert hosts(binary='cinder-scheduler') == ['n1']
    assert hosts(disabled=True) == ['n1@b']
    assert hosts(is_up=False) == ['n1@a']
    assert hosts(is_up=True, binary='cinder-volume') == ['n1@b', 'n10']
    assert hosts(cluster_name='c', frozen=False) == ['n1@a']


def test_minimum_versions(make, ctxt):
    assert services.minimum_versions(ctxt, 'cinder-volume') == (None, None)
    make('n1', rpc_current_version='3.10', object_current_version='1.2')
    make('n2', rpc_current_version='3.9', object_current_version='1.10')
    make('n3')
    assert services.minimum_versions(ctxt, 'cinder-volume') == ('3.9', '1.2')


def test_unknown(database, ctxt):
    for call in (lambda: services.get(ctxt, 7), lambda: services.destroy(ctxt, 7),
                 lambda: services.update(ctxt, 7, {'disabled': True})):
        with pytest.raises(exception.ServiceNotFound):
            call()
    assert not services.is_up(ctxt, 7)


def test_clusters_count_their_hosts(make, ctxt):
    made = clusters.create(ctxt, {'name': 'c@lvm', 'binary': 'cinder-volume'})
    assert (made.num_hosts, made.num_down_hosts, made.is_up) == (0, 0, False)
    assert clusters.create(ctxt, {'name': 'c@lvm', 'binary': 'cinder-volume'}).id == made.id
    make('n1', cluster_name='c@lvm')
    silence(ctxt, make('n2', cluster_name='c@lvm').id, 1000)
    make('n3', 'cinder-backup', cluster_name='c@lvm')
    read = clusters.get(ctxt, 'c@lvm', 'cinder-volume')
    assert (read.num_hosts, read.num_down_hosts, read.is_up) == (2, 1, True)
    clusters.update(ctxt, read.id, {'disabled': True})
    assert clusters.list_all(ctxt, disabled=False) == []
    with pytest.raises(exception.ClusterNotFound):
        clusters.get(ctxt, 'c@lvm', 'cinder-backup')
    with pytest.raises(exception.ClusterNotFound):
        clusters.update(ctxt, 7, {'disabled': True})


def test_the_zone_is_left_only_where_it_has_no_service(database, ctxt):
    for host, zone, up in (('a', 'z1', True), ('b', 'z2', False), ('c', 'z2', True)):
        backup_service.register(ctxt, host, zone, up)
    assert services.pick_near(ctxt, 'cinder-backup', 'z2', prefer='b').host == 'c'
    assert services.pick_near(ctxt, 'cinder-backup', 'z1').host == 'a'
    assert services.pick_near(ctxt, 'cinder-backup', 'z3', prefer='a').host == 'a'
    assert services.pick(ctxt, 'cinder-backup', 'z3') is None


def test_one_of_those_that_are_up_is_picked(database, ctxt):
    for host, zone, up, disabled in (('a', 'z1', True, False), ('b', 'z1', True, False),
                                     ('c', 'z1', False, False), ('d', 'z1', True, True),
                                     ('e', 'z2', True, False)):
        row = services.create(ctxt, {'host': host, 'binary': 'cinder-backup', 'topic': 't',
                                     'availability_zone': zone, 'disabled': disabled})
        if up:
            services.heartbeat(ctxt, row.id)
        else:
            silence(ctxt, row.id, 600)
    picked = {services.pick(ctxt, 'cinder-backup', zone='z1').host for _ in range(50)}
    assert picked == {'a', 'b'}
    assert services.pick(ctxt, 'cinder-backup', prefer='e').host == 'e'
    assert services.pick(ctxt, 'cinder-backup', zone='z1', prefer='e').host in 'ab'
    assert services.pick(ctxt, 'cinder-backup', zone='z3') is None
