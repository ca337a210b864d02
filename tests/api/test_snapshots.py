# SPDX-License-Identifier: Apache-2.0
"""/snapshots, their actions and their metadata: by microversion."""
import pytest

from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

PROJECT = '0123456789abcdef0123456789abcdef'
OTHER = 'fedcba9876543210fedcba9876543210'
SHORT = {'id', 'created_at', 'updated_at', 'name', 'description', 'volume_id', 'status', 'size',
         'metadata'}
EXTENDED = {'os-extended-snapshot-attributes:project_id',
            'os-extended-snapshot-attributes:progress'}
LATER = {14: 'group_snapshot_id', 41: 'user_id', 65: 'consumes_quota'}


def create(api, volume, mv='latest', **body):
    return api.post('/snapshots', {'snapshot': {'volume_id': volume['id'], **body}}, mv=mv)


def names(answer):
    return [found['name'] for found in answer.json['snapshots']]


@pytest.fixture
def two(api, volume):
    return [fake_daemons.snapshot(PROJECT, volume['id'], name=name, metadata={'n': name})
            for name in 'ab']


# --------------------------------------------------------------------------------------- create
def test_create(api, volume, daemons):
    daemons.busy = True
    answer = create(api, volume, mv='3.0', name=' snap ', description='d', metadata={'k': 'v'})
    assert answer.status == 202
    made = answer.json['snapshot']
    assert set(made) == SHORT
    assert (made['name'], made['status'], made['size']) == ('snap', 'creating', 1)
    assert made['metadata'] == {'k': 'v'} and made['volume_id'] == volume['id']
    assert daemons.messages[-1] == 'create_snapshot'


@pytest.mark.parametrize('body', [
    {'volume_id': 'x'}, {'name': 5}, {'name': 'x' * 256},
    {'description': 'a\tb'}, {'force': 'perhaps'}, {'force': None}, {'metadata': 'x'},
    {'metadata': {'k': 1}}, {'other': 1}, {'display_description': 'x'}])
def test_create_refuses_bad_values(api, volume, body):
    create(api, volume, **body).fault(400)


def test_create_needs_a_volume(api, reader, volume, nobody):
    api.post('/snapshots', {'snapshot': {'volume_id': None}}).fault(404)
    api.post('/snapshots', {'snapshot': {}}).fault(400)
    assert nobody in create(api, {'id': nobody}).fault(404)
    create(reader, volume).fault(403)
    stranger = api.as_roles('member,reader', project=OTHER)
    create(stranger, volume).fault(404)


def test_volumes_in_use_need_force_below_3_66(api, volume):
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'in-use'})
    create(api, volume, mv='3.65').fault(400)
    create(api, volume, mv='3.65', force=False).fault(400)
    assert create(api, volume, mv='3.65', force='true').status == 202
    assert create(api, volume, mv='3.66').status == 202
    assert create(api, volume, mv='3.66', force=True).status == 202
    create(api, volume, mv='3.66', force='false').fault(400)


def test_create_beyond_the_quota(api, volume):
    for _ in range(10):
        create(api, volume)
    assert create(api, volume).fault(413).startswith('SnapshotLimitExceeded')


# ------------------------------------------------------------------------------------------ read
@pytest.mark.parametrize('number', [0, 13, 14, 40, 41, 64, 65, 71])
def test_show_has_the_fields_of_the_version(reader, snapshot, number):
    fields = SHORT | EXTENDED | {name for since, name in LATER.items() if since <= number}
    shown = reader.get('/snapshots/' + snapshot['id'], mv=f'3.{number}').json['snapshot']
    assert set(shown) == fields
    assert shown['os-extended-snapshot-attributes:progress'] == '100%'
    listed, = reader.get('/snapshots/detail', mv=f'3.{number}').json['snapshots']
    assert listed == shown


def test_the_short_list_is_shorter(api, snapshot):
    entry, = api.get('/snapshots').json['snapshots']
    assert set(entry) == SHORT and entry['metadata'] == {'k': 'v'}


def test_other_projects_snapshots_do_not_exist(api, snapshot, nobody):
    stranger = api.as_roles('member,reader', project=OTHER)
    path = '/snapshots/' + snapshot['id']
    for method, tail, body in (('GET', '', None), ('PUT', '', {'snapshot': {'name': 'x'}}),
                               ('DELETE', '', None), ('GET', '/metadata', None),
                               ('POST', '/metadata', {'metadata': {}})):
        stranger.request(method, path + tail, body).fault(404)
    assert nobody in api.get('/snapshots/' + nobody).fault(404)
    assert names(stranger.get('/snapshots?all_tenants=1')) == []
    assert len(names(api.as_roles('admin', project=OTHER).get('/snapshots?all_tenants=1'))) == 1


@pytest.mark.parametrize('query, found', [
    ('name=a', 'a'), ('name~=A', 'a'), ('status=available', 'ba'), ('status=error', ''),
    ("metadata={'n':'b'}", 'b'), ('availability_zone=nowhere', ''),
    ('consumes_quota=true', 'ba'), ('sort=name:asc', 'ab'), ('limit=1', 'b'), ('offset=1', 'a')])
def test_filters_and_pages(member, two, query, found):
    assert ''.join(names(member.get('/snapshots?' + query))) == found


def test_filter_by_volume_and_count(api, two, volume, nobody):
    answer = api.get(f"/snapshots?volume_id={volume['id']}&with_count=1&limit=1")
    assert answer.json['count'] == 2 and answer.json['snapshots_links'][0]['rel'] == 'next'
    assert names(api.get('/snapshots?volume_id=' + nobody)) == []
    assert 'count' not in api.get('/snapshots?with_count=1', mv='3.44').json


def test_versions_of_filters(member, two):
    member.get('/snapshots?sort=name', mv='3.29').fault(400)
    assert names(member.get('/snapshots?sort=name:asc', mv='3.30')) == ['a', 'b']
    assert len(names(member.get("/snapshots?metadata={'n':'b'}", mv='3.21'))) == 2
    assert len(names(member.get('/snapshots?no_such_filter=1', mv='3.30'))) == 2
    member.get('/snapshots?no_such_filter=1', mv='3.31').fault(400)


@pytest.mark.parametrize('query', ['limit=-1', 'offset=x', 'sort=nope', 'sort=id:up',
                                   'all_tenants=zz', 'with_count=zz', 'consumes_quota=zz'])
def test_bad_parameters(api, query):
    api.get('/snapshots?' + query).fault(400)


# ------------------------------------------------------------------------------ update and delete
def test_update(api, reader, snapshot):
    path = '/snapshots/' + snapshot['id']
    answer = api.put(path, {'snapshot': {'name': ' n ', 'display_description': 'd'}})
    assert (answer.status, answer.json['snapshot']['name']) == (200, 'n')
    assert api.get(path).json['snapshot']['description'] == 'd'
    for body in ({}, {'size': 1}, {'name': 'x' * 256}, {'name': 'x', 'metadata': {}}):
        api.put(path, {'snapshot': body}).fault(400)
    reader.put(path, {'snapshot': {'name': 'x'}}).fault(403)


def test_delete(api, reader, snapshot, daemons):
    path = '/snapshots/' + snapshot['id']
    reader.delete(path).fault(403)
    daemons.busy = True
    answer = api.delete(path)
    assert (answer.status, answer.body) == (202, b'')
    assert api.get(path).json['snapshot']['status'] == 'deleting'
    api.delete(path).fault(400)


# --------------------------------------------------------------------------------------- actions
def test_reset_status(api, member, snapshot):
    path = f"/snapshots/{snapshot['id']}"
    member.post(path + '/action', {'os-reset_status': {'status': 'error'}}).fault(403)
    assert api.post(path + '/action', {'os-reset_status': {'status': 'Error'}}).status == 202
    assert api.get(path).json['snapshot']['status'] == 'error'
    for value in ({}, {'status': 'zz'}, {'status': None}, {'status': ''}, 'error', 5):
        api.post(path + '/action', {'os-reset_status': value}).fault(400)


def test_progress_from_outside(api, snapshot):
    path = f"/snapshots/{snapshot['id']}"

    def report(**value):
        return api.post(path + '/action', {'os-update_snapshot_status': value})

    report(status='error').fault(400)
    snapshots_db.overwrite(ADMIN, snapshot['id'], {'status': 'creating'})
    for progress in ('101%', '5', 'x%', '-1%', 5, '%', '5%\n'):
        report(status='error', progress=progress).fault(400)
    report(status='deleting').fault(400)
    assert report(status='creating', progress='').status == 202
    assert report(status='error', progress='80%').status == 202
    shown = api.get(path).json['snapshot']
    assert (shown['status'], shown['os-extended-snapshot-attributes:progress']) == (
        'error', '80%')


def test_force_delete(api, member, snapshot, nobody):
    path = f"/snapshots/{snapshot['id']}"
    snapshots_db.overwrite(ADMIN, snapshot['id'], {'status': 'creating'})
    member.post(path + '/action', {'os-force_delete': {}}).fault(403)
    assert api.post(path + '/action', {'os-force_delete': {}}).status == 202
    api.get(path).fault(404)
    assert nobody in api.post(f'/snapshots/{nobody}/action', {'os-force_delete': None}).fault(404)
    api.post(f'/snapshots/{nobody}/action', {'no-such': {}}).fault(400)


# -------------------------------------------------------------------------------------- metadata
def test_metadata(api, reader, snapshot):
    path = f"/snapshots/{snapshot['id']}/metadata"
    assert reader.get(path).json == {'metadata': {'k': 'v'}}
    # Other top level keys are let through here.
    assert api.post(path, {'metadata': {'a': 'b'}, 'x': 1}).json == {
        'metadata': {'k': 'v', 'a': 'b'}}
    assert api.put(path + '/a', {'meta': {'a': 'c'}}).json == {'meta': {'a': 'c'}}
    assert api.get(path + '/a').json == {'meta': {'a': 'c'}}
    assert (api.delete(path + '/a').status, api.delete(path + '/a').status) == (200, 404)
    assert api.put(path, {'metadata': {'z': 'y'}}).json == {'metadata': {'z': 'y'}}
    assert 'none' in api.get(path + '/none').fault(404)
    for metadata in ({'a%b': 'v'}, {'a\n': 'v'}, {'k': 1}, 'x', {'k' * 256: 'v'}):
        api.post(path, {'metadata': metadata}).fault(400)
    for meta in ({'q': 'r'}, {'z': '1', 'q': 'r'}, {}):
        api.put(path + '/z', {'meta': meta}).fault(400)
    reader.post(path, {'metadata': {}}).fault(403)
    reader.delete(path + '/z').fault(403)
