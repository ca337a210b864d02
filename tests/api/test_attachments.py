# SPDX-License-Identifier: Apache-2.0
"""/attachments and the action os-complete."""
import pytest

from cinder import exception
from cinder.db import attachments as attachments_db
from cinder.db import volumes as volumes_db
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

OTHER = 'fedcba9876543210fedcba9876543210'
SERVER = '3f1f9a3c-3b0e-4f0e-9b0a-0d6d6b8c2f11'
CONNECTOR = {'host': 'h', 'initiator': 'iqn.2000-01.example:h', 'multipath': False}
SHORT = {'id', 'status', 'instance', 'volume_id'}
LONG = SHORT | {'attached_at', 'detached_at', 'attach_mode', 'connection_info'}


def create(api, volume, mv='latest', **body):
    return api.post('/attachments', {'attachment': {'volume_uuid': volume['id'], **body}}, mv=mv)


def status(api, volume):
    return api.get('/volumes/' + volume['id']).json['volume']['status']


@pytest.fixture
def attachment(api, volume):
    return create(api, volume, instance_uuid=SERVER).json['attachment']


def test_life_of_an_attachment(api, volume, attachment):
    assert set(attachment) == LONG
    assert (attachment['status'], attachment['instance']) == ('reserved', SERVER)
    assert attachment['connection_info'] == {} and attachment['attached_at'] == ''
    assert attachment['attach_mode'] == 'null'
    assert status(api, volume) == 'reserved'
    path = '/attachments/' + attachment['id']
    answer = api.put(path, {'attachment': {'connector': CONNECTOR}})
    assert (answer.status, set(answer.json['attachment'])) == (200, LONG)
    assert answer.json['attachment']['connection_info']
    assert status(api, volume) == 'attaching'
    answer = api.post(path + '/action', {'os-complete': None}, mv='3.44')
    assert (answer.status, answer.body) == (204, b'')
    assert status(api, volume) == 'in-use'
    assert api.get(path).json['attachment']['status'] == 'attached'
    answer = api.delete(path)
    assert (answer.status, answer.json) == (200, {'attachments': []})
    assert status(api, volume) == 'available'
    assert attachment['id'] in api.get(path).fault(404)


def test_create_with_a_connector_answers_reserved(api, volume):
    made = create(api, volume, connector=CONNECTOR).json['attachment']
    assert made['status'] == 'reserved' and made['connection_info']
    assert status(api, volume) == 'attaching'


def test_delete_answers_what_is_left(api, volume):
    volumes_db.update(ADMIN, volume['id'], {'multiattach': True})
    first = create(api, volume, instance_uuid=SERVER).json['attachment']
    second = create(api, volume, instance_uuid=SERVER).json['attachment']
    left, = api.delete('/attachments/' + first['id']).json['attachments']
    assert left['id'] == second['id'] and set(left) == SHORT
    assert status(api, volume) == 'reserved'


@pytest.mark.parametrize('body', [
    {'volume_uuid': 'x'}, {'volume_uuid': None}, {'instance_uuid': 'x'},
    {'instance_uuid': None}, {'connector': 'x'}, {'mode': 'zz'}, {'mode': None}, {'other': 1}])
def test_create_refuses_bad_values(api, volume, body):
    create(api, volume, **body).fault(400)


def test_ids_are_stored_in_one_form(api, volume):
    loose = f'{{{SERVER.upper()}}}'
    made = api.post('/attachments', {'attachment': {
        'volume_uuid': 'urn:uuid:' + volume['id'], 'instance_uuid': loose}}).json['attachment']
    assert (made['instance'], made['volume_id']) == (SERVER, volume['id'])


@pytest.mark.parametrize('connector', [{'host': 5}, {'host': 'h' * 256}, {'host': None}])
def test_hosts_of_connectors_are_texts(api, volume, connector):
    create(api, volume, connector=connector).fault(400)


def test_create_needs_a_usable_volume(api, reader, volume, attachment, nobody):
    assert nobody in create(api, {'id': nobody}).fault(404)
    create(reader, volume).fault(403)
    create(api.as_roles('member,reader', project=OTHER), volume).fault(404)
    create(api, volume).fault(400)
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'error'})
    create(api, volume).fault(400)


def test_mode_from_3_54(api, volume):
    create(api, volume, mv='3.53', mode='ro').fault(400)
    assert create(api, volume, mv='3.54', mode='ro').json['attachment']['attach_mode'] == 'ro'


def test_bootable_multiattach_volumes_have_a_rule_of_their_own(api, member, volume):
    volumes_db.overwrite(ADMIN, volume['id'], {'multiattach': True, 'bootable': True,
                                               'status': 'in-use'})
    assert create(member, volume).status == 200


def test_update_needs_a_connector(api, reader, attachment, nobody):
    path = '/attachments/' + attachment['id']
    for body in ({}, {'connector': {}}, {'connector': None}, {'connector': 5},
                 {'connector': CONNECTOR, 'mode': 'rw'}, {'connector': {'ip': '192.0.2.1'}}):
        api.put(path, {'attachment': body}).fault(400)
    reader.put(path, {'attachment': {'connector': CONNECTOR}}).fault(403)
    assert nobody in api.put('/attachments/' + nobody, {
        'attachment': {'connector': CONNECTOR}}).fault(404)


def test_update_of_a_broken_volume_is_409(api, volume, attachment):
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'error'})
    api.put('/attachments/' + attachment['id'], {
        'attachment': {'connector': CONNECTOR}}).fault(409)


def test_a_driver_that_fails_shows_no_internals(api, attachment, monkeypatch):
    def fail(*_args, **_kwargs):
        raise exception.VolumeBackendAPIException(data='secret')
    monkeypatch.setattr(fake_daemons.Daemons, 'attachment_update', fail)
    answer = api.put('/attachments/' + attachment['id'], {'attachment': {'connector': CONNECTOR}})
    assert 'secret' not in answer.fault(500)


def test_complete(api, reader, attachment, nobody):
    path = f"/attachments/{attachment['id']}/action"
    api.post(path, {'os-complete': None}, mv='3.43').fault(404)
    reader.post(path, {'os-complete': None}).fault(403)
    api.post(path, {'no-such': None}).fault(400)
    api.post(path, {'os-complete': None, 'more': None}).fault(400)
    assert nobody in api.post(f'/attachments/{nobody}/action', {'os-complete': {}}).fault(404)


def test_delete_is_for_members(api, reader, attachment):
    reader.delete('/attachments/' + attachment['id']).fault(403)
    stranger = api.as_roles('member,reader', project=OTHER)
    stranger.delete('/attachments/' + attachment['id']).fault(404)
    stranger.get('/attachments/' + attachment['id']).fault(404)


def test_another_project_does_not_see_it(api, volume, attachment, nobody):
    """LP 2138566: whoever knew the id could read it."""
    assert api.as_roles('reader').get('/attachments/' + attachment['id']).status == 200
    for roles in ('', 'reader', 'member', 'service'):
        stranger = api.as_roles(roles, project=OTHER)
        told = stranger.get('/attachments/' + attachment['id']).fault(404)
        assert told == stranger.get('/attachments/' + nobody).fault(404).replace(
            nobody, attachment['id'])
        for query in ('', '?all_tenants=1', f"?volume_id={volume['id']}",
                      f'?instance_id={SERVER}'):
            for path in ('/attachments', '/attachments/detail'):
                answer = stranger.get(path + query)
                if roles in ('reader', 'member'):
                    assert answer.json == {'attachments': []}
                else:
                    answer.fault(403)
        stranger.get(f"/attachments?marker={attachment['id']}").fault(
            404 if roles in ('reader', 'member') else 403)


@pytest.mark.parametrize(('roles', 'service', 'seen'), [
    ('reader', None, '***'), ('reader', 'service', 's3cret'), ('member,reader', None, 's3cret'),
    ('foo', None, None), ('', None, None)])
def test_passwords_are_for_those_who_may_attach(api, attachment, roles, service, seen):
    attachments_db.update(ADMIN, attachment['id'], {'connection_info': {
        'auth_username': 'u', 'auth_password': 's3cret', 'target_lun': 1}})
    caller = api.as_roles(roles)
    headers = {'X-Service-Roles': service} if service else {}
    for path in ('/attachments/' + attachment['id'], '/attachments/detail'):
        answer = caller.get(path, headers=headers)
        if seen is None:
            answer.fault(403)
            continue
        found = answer.json.get('attachment') or answer.json['attachments'][0]
        assert found['connection_info'] == {'auth_username': 'u', 'auth_password': seen,
                                            'target_lun': 1}


# ----------------------------------------------------------------------------------------- lists
def test_lists(api, reader, volume, attachment, nobody):
    entry, = reader.get('/attachments').json['attachments']
    assert set(entry) == SHORT
    entry, = reader.get('/attachments/detail').json['attachments']
    assert set(entry) == LONG
    for query, hit in ((f"volume_id={volume['id']}", 1), (f'volume_id={nobody}', 0),
                       ('status=reserved', 1), ('attach_status=attached', 0),
                       (f'instance_id={SERVER}', 1), ('limit=0', 0), ('offset=1', 0)):
        assert len(reader.get('/attachments?' + query).json['attachments']) == hit, query
    assert set(api.get('/attachments?limit=1').json) == {'attachments'}
    theirs = api.as_roles('member', project=OTHER)
    assert theirs.get('/attachments?all_tenants=1').json == {'attachments': []}


@pytest.mark.parametrize('query', ['limit=-1', 'sort=nope', 'sort=id:up', 'all_tenants=zz'])
def test_bad_parameters(api, query):
    api.get('/attachments?' + query).fault(400)


def test_unknown_filters(member, attachment):
    member.get('/attachments?no_such_filter=1').fault(400)
    assert member.get('/attachments?no_such_filter=1', mv='3.30').status == 200


def test_hidden_below_3_27(api, attachment):
    path = '/attachments/' + attachment['id']
    for method, where, body in (('GET', '/attachments', None), ('GET', path, None),
                                ('GET', '/attachments/detail', None), ('DELETE', path, None),
                                ('PUT', path, {'attachment': {'connector': CONNECTOR}})):
        api.request(method, where, body, mv='3.26').fault(404)
