# SPDX-License-Identifier: Apache-2.0
"""Clusters, over HTTP. All of it is 3.7."""
import pytest

from cinder import context
from cinder.db import clusters as clusters_db
from cinder.db import services as services_db

ADMIN = context.get_admin_context()


@pytest.fixture
def clusters(api):
    """Cluster a@lvm with a host that is up and one that is down, b@lvm with none."""
    for name in ('a@lvm', 'b@lvm'):
        clusters_db.create(ADMIN, {'name': name, 'binary': 'cinder-volume'})
    for host in ('n1@lvm', 'n2@lvm'):
        made = services_db.create(ADMIN, {
            'host': host, 'binary': 'cinder-volume', 'topic': 't', 'cluster_name': 'a@lvm'})
        services_db.heartbeat(ADMIN, made.id)
    services_db.update(ADMIN, made.id, {'updated_at': made.created_at.replace(year=2020)})


def _names(answer):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json['clusters']]


def test_list(api, clusters):
    first, second = api.get('/clusters', mv='3.25').json['clusters']
    assert first == {'name': 'a@lvm', 'binary': 'cinder-volume', 'state': 'up',
                     'status': 'enabled'}
    assert second['state'] == 'down'
    assert 'replication_status' in api.get('/clusters', mv='3.26').json['clusters'][0]


def test_detail(api, clusters):
    first, second = api.get('/clusters/detail').json['clusters']
    assert (first['num_hosts'], first['num_down_hosts']) == (2, 1)
    assert first['last_heartbeat'] and first['created_at']
    assert (second['last_heartbeat'], second['updated_at'], second['frozen']) == ('', '', False)
    old = api.get('/clusters/detail', mv='3.25').json['clusters'][0]
    assert not {'replication_status', 'frozen', 'active_backend_id'} & old.keys()


@pytest.mark.parametrize(('query', 'expected'), [
    ('name=a@lvm', ['a@lvm']), ('binary=cinder-backup', []), ('is_up=true', ['a@lvm']),
    ('is_up=0', ['b@lvm']), ('disabled=false', ['a@lvm', 'b@lvm']), ('num_hosts=2', ['a@lvm']),
    ('num_down_hosts=0', ['b@lvm']), ('num_hosts=0&is_up=false', ['b@lvm']),
    ('frozen=true', []), ('active_backend_id=x', []), ('replication_status=enabled', [])])
def test_filters(api, clusters, query, expected):
    assert _names(api.get(f'/clusters?{query}')) == expected
    assert _names(api.get(f'/clusters/detail?{query}')) == expected


def test_bad_filters(api):
    for query in ('zz=1', 'disabled=zz', 'is_up=zz', 'num_hosts=zz', 'frozen=zz'):
        api.get(f'/clusters?{query}').fault(400)
    api.get('/clusters?frozen=true', mv='3.25').fault(400)


def test_show(api, clusters):
    assert api.get('/clusters/a@lvm').json['cluster']['num_hosts'] == 2
    assert api.get('/clusters/a@lvm?binary=cinder-volume').status == 200
    assert 'a@lvm' in api.get('/clusters/a@lvm?binary=cinder-backup').fault(404)


def test_disable_and_enable(api, clusters):
    off = api.put('/clusters/disable', {'name': 'a@lvm', 'disabled_reason': ' r '}, mv='3.7')
    assert off.json == {'cluster': {'name': 'a@lvm', 'binary': 'cinder-volume', 'state': 'up',
                                    'status': 'disabled', 'disabled_reason': 'r'}}
    marked = {service.host: service.disabled
              for service in clusters_db.marked_services(ADMIN, 'cinder-volume')}
    assert marked == {'n1@lvm': True, 'n2@lvm': True}
    on = api.put('/clusters/enable', {'name': 'a@lvm', 'binary': 'cinder-volume'}, mv='3.7')
    assert (on.json['cluster']['status'], on.json['cluster']['disabled_reason']) == (
        'enabled', None)
    assert not any(service.disabled
                   for service in clusters_db.marked_services(ADMIN, 'cinder-volume'))


@pytest.mark.parametrize('verb', ['enable', 'disable'])
def test_bad_bodies(api, clusters, verb):
    for bad in ({}, {'name': ''}, {'name': 5}, {'name': 'a@lvm', 'zz': 1},
                {'name': 'a@lvm', 'binary': 'x' * 256}):
        api.put(f'/clusters/{verb}', bad).fault(400)
    assert 'zz' in api.put(f'/clusters/{verb}', {'name': 'zz'}).fault(404)


def test_admin_only(member, clusters):
    for path in ('', '/detail', '/a@lvm'):
        member.get(f'/clusters{path}').fault(403)
    member.put('/clusters/enable', {'name': 'a@lvm'}).fault(403)


def test_gate(api, clusters):
    for path in ('', '/detail', '/a@lvm'):
        api.get(f'/clusters{path}', mv='3.6').fault(404)
    api.put('/clusters/disable', {'name': 'a@lvm'}, mv='3.6').fault(404)
