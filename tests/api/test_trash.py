# SPDX-License-Identifier: Apache-2.0
"""/trash and the restore of volumes and snapshots, as clients see them."""
import pytest

from cinder.api import openapi
from cinder.api.v3 import router
from cinder.db import journal, session
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from tests.fakes.daemons import ADMIN

TABLES = {'volume': volumes_db, 'snapshot': snapshots_db}
KINDS = tuple(TABLES)
ROUTES = {'volume': ('POST', '/volumes/{id}/restore'),
          'snapshot': ('POST', '/snapshots/{id}/restore'), 'purge': ('DELETE', '/trash/{id}')}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def put(volume, snapshot, daemons):
    """Put the volume or the snapshot into the trash, as its service does."""
    things = {'volume': volume['id'], 'snapshot': snapshot['id']}

    def put(kind):
        found = TABLES[kind].get(ADMIN, things[kind])
        with session.writer(ADMIN):
            TABLES[kind].destroy(ADMIN, found.id)
            trash_db.put(ADMIN, found, 1, counted=False)
        daemons.busy = True
        return found.id
    return put


def _verbs(ident):
    return [operation.verb for operation in journal.unfinished_for(ADMIN, ident)]


def test_it_is_gone_and_listed(api, member, kind, put):
    ident = put(kind)
    assert member.get(f'/{kind}s/{ident}').status == 404
    assert ident not in [each['id'] for each in member.get(f'/{kind}s').json[f'{kind}s']]
    row, = member.get(f'/trash?resource_type={kind}').json['trash']
    assert (row['id'], row['status'], row['size'], row['consumes_quota']) == (
        ident, 'kept', 1, False)
    assert row['purge_at'] > row['deleted_at'] and 'host' not in row
    assert 'host' in api.get('/trash').json['trash'][0]
    assert member.get('/trash?name=no').json['trash'] == []
    assert 'resource_type' in member.get('/trash?names=no').fault(400)
    for name, value in (('status', 'kept'), ('resource_type', 'volume')):
        assert f'must be one of {value}, ' in member.get(f'/trash?{name}=no').fault(400)


def test_a_restore_answers_with_the_resource(member, kind, put):
    ident = put(kind)
    answer = member.post(f'/{kind}s/{ident}/restore', {})
    assert answer.status == 202, answer.body
    made = answer.json[kind]
    assert (made['id'], made['status'], made['name'], made['metadata']) == (
        ident, 'creating', {'volume': 'one', 'snapshot': 'snap'}[kind], {'k': 'v'})
    assert member.get(f'/{kind}s/{ident}').json[kind]['status'] == 'creating'
    assert _verbs(ident) == [f'{kind}.restore']
    again = member.post(f'/{kind}s/{ident}/restore', {})
    assert 'another request restores it' in again.fault(409)
    assert member.delete(f'/trash/{ident}').status == 409


def test_what_is_there_cannot_be_restored(member, kind, volume, snapshot, nobody):
    ident = {'volume': volume, 'snapshot': snapshot}[kind]['id']
    answer = member.post(f'/{kind}s/{ident}/restore', {})
    assert 'it is not deleted' in answer.fault(409)
    assert member.post(f'/{kind}s/{nobody}/restore', {}).status == 404


@pytest.mark.parametrize('other', KINDS)
def test_a_path_is_of_one_kind(member, kind, put, other):
    assert member.post(f'/{other}s/{put(kind)}/restore', {}).status == (
        202 if other == kind else 404)


def test_a_snapshot_needs_its_volume(member, put):
    snapshot = put('snapshot')
    volume = put('volume')
    answer = member.post(f'/snapshots/{snapshot}/restore', {})
    assert f'{volume} is in the trash; restore it first' in answer.fault(409)
    with session.writer(ADMIN):
        trash_db.forget(ADMIN, volume)
    answer = member.post(f'/snapshots/{snapshot}/restore', {})
    assert f'{volume} is deleted' in answer.fault(409)


def test_a_purge(member, kind, put):
    ident = put(kind)
    assert member.delete(f'/trash/{ident}').status == 202
    assert _verbs(ident) == ['trash.purge']
    assert member.get('/trash').json['trash'] == []
    assert member.get('/trash?status=purging').json['trash'][0]['status'] == 'purging'
    assert member.delete(f'/trash/{ident}').status == 202
    answer = member.post(f'/{kind}s/{ident}/restore', {})
    assert 'removes it for ever' in answer.fault(409)
    with session.writer(ADMIN):
        trash_db.destroy(ADMIN, ident)
    assert member.delete(f'/trash/{ident}').status == 404
    assert member.post(f'/{kind}s/{ident}/restore', {}).status == 404


def test_a_forced_deletion_of_what_is_in_the_trash(api, member, kind, put, nobody):
    ident = put(kind)
    action = {'os-force_delete': {}}
    assert member.post(f'/{kind}s/{ident}/action', action).status == 403
    assert api.post(f'/{kind}s/{nobody}/action', action).status == 404
    assert api.post(f'/{kind}s/{ident}/action', action).status == 202
    assert _verbs(ident) == ['trash.purge']


@pytest.mark.parametrize('route', ROUTES)
def test_only_those_who_may(api, reader, put, route):
    ident = put('snapshot' if route == 'snapshot' else 'volume')
    method, path = ROUTES[route]
    stranger = api.as_roles('member,reader', project='f' * 32)
    assert stranger.get('/trash').json['trash'] == []
    assert len(reader.get('/trash').json['trash']) == 1
    for who, status in ((stranger, 404), (reader, 403), (api, 202)):
        assert who.request(method, path.format(id=ident)).status == status


def test_a_full_quota(api, member, kind, put):
    ident = put(kind)
    api.put(f'/os-quota-sets/{member.project}', {'quota_set': {f'{kind}s': 0}})
    answer = member.post(f'/{kind}s/{ident}/restore', {})
    assert answer.status == 413, answer.body
    assert member.get('/trash').json['trash'][0]['status'] == 'kept'


def test_a_repeated_restore_with_a_key_is_one(member, kind, put):
    ident, key = put(kind), {'Idempotency-Key': 'k'}
    first, second = (member.post(f'/{kind}s/{ident}/restore', {}, headers=key) for _ in range(2))
    assert (first.status, second.status) == (202, 202)
    assert first.json == second.json
    assert _verbs(ident) == [f'{kind}.restore']


def test_a_volume_whose_type_was_deleted_comes_back_without_it(member, put, volume):
    volumes_db.update(ADMIN, volume['id'], {'volume_type_id': 'e' * 36})
    assert member.post(f'/volumes/{put("volume")}/restore', {}).status == 202
    assert volumes_db.get(ADMIN, volume['id']).volume_type_id is None


def test_the_document_has_them():
    paths = {(each.method, each.path) for each in openapi.list_operations(router.ROUTES)}
    assert {('GET', '/trash'), ('DELETE', '/trash/{resource_id}'),
            ('POST', '/volumes/{volume_id}/restore'),
            ('POST', '/snapshots/{snapshot_id}/restore')} <= paths
