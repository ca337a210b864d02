# SPDX-License-Identifier: Apache-2.0
"""Questions about requests: what is sent to the scheduler, what is answered to whom, and that
nothing is changed."""
import pytest

from cinder import exception, policy
from cinder.conf import CONF
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from tests.api.client import PROJECT
from tests.fakes import daemons as fake_daemons

URL = '/scheduler-stats/what-if'
POOLS = [
    {'name': 'n1@lvm#p', 'cluster': None, 'availability_zone': 'nova', 'weight': 1.0,
     'filters': [{'name': 'CapacityFilter', 'passed': True, 'reason': None, 'detail': None}],
     'weights': [{'name': 'CapacityWeigher', 'weight': 1.0}]},
    {'name': 'n2@lvm#p', 'cluster': None, 'availability_zone': 'nova', 'weight': None,
     'filters': [{'name': 'CapacityFilter', 'passed': False, 'reason': 'has too little space',
                  'detail': 'wants 1 GiB'}], 'weights': []}]
ANSWER = {'accepted': True, 'choice': 'n1@lvm#p', 'reason': None, 'pools': POOLS,
          'ignored_hints': ['colour']}


@pytest.fixture
def asked(bus):
    """The bus; a scheduler answers questions."""
    bus.answers['what_if'] = ANSWER
    return bus


@pytest.fixture
def rows(only_database):
    """Returns all rows of the database."""
    database, _made = only_database
    return database.rows


@pytest.fixture
def tenants_may(tmp_path):
    """A policy that lets readers ask for volumes."""
    file = tmp_path / 'policy.yaml'
    file.write_text('scheduler_extension:scheduler_stats:what_if_create: role:reader')
    CONF.set_override('policy_file', str(file), 'oslo_policy')
    policy.reset()
    yield
    CONF.clear_override('policy_file', 'oslo_policy')
    policy.reset()


def question(bus):
    """The (verb, arguments, resource) of the only message."""
    message, = bus.sent
    assert (message.kind, message.method) == ('call', 'what_if')
    operation = message.args['operation']
    return operation.verb, operation.arguments, message.args['resource']


def test_create(api, asked, rows):
    before = rows()
    told = api.post(URL, {'volume': {'size': 3, 'name': 'n', 'availability_zone': None},
                          'OS-SCH-HNT:scheduler_hints': {'query': '["=", "$a", 1]'}}).json
    assert rows() == before
    verb, arguments, volume = question(asked)
    assert (verb, volume.size, volume.project_id) == ('volume.create', 3, PROJECT)
    assert arguments['scheduler_hints'] == {'query': '["=", "$a", 1]'}
    assert {key: told['what_if'][key] for key in ANSWER} == ANSWER
    assert told['what_if']['request'] == 'volume.create'
    assert told['what_if']['quota']['gigabytes'] == {
        'limit': 1000, 'used': 0, 'needed': 3, 'left': 997}
    assert told['what_if']['quota']['gigabytes___DEFAULT__']['left'] == -1


@pytest.mark.parametrize(('body', 'verb', 'needed'), [
    ({'os-extend': {'new_size': 5}}, 'volume.extend', {'gigabytes': 4, 'gigabytes_old': 4}),
    ({'os-retype': {'new_type': 'gold', 'migration_policy': 'on-demand'}}, 'volume.retype',
     {'volumes_gold': 1, 'gigabytes_gold': 1}),
    ({'os-migrate_volume': {'host': 'n2@lvm'}}, 'volume.migrate', {})])
def test_volume(api, asked, ctxt, rows, body, verb, needed):
    services_db.heartbeat(ctxt, services_db.create(ctxt, {
        'host': 'n2@lvm', 'binary': 'cinder-volume', 'topic': 'cinder-volume'}).id)
    old, _new = (types_db.create(ctxt, {'name': name}) for name in ('old', 'gold'))
    volume = fake_daemons.volume(PROJECT, host='n1@lvm#p')
    volumes_db.update(ctxt, volume['id'], {'volume_type_id': old.id})
    before = rows()
    told = api.post(URL, {'volume_id': volume['id'].upper(), **body}).json['what_if']
    assert rows() == before
    asked_verb, _arguments, resource = question(asked)
    assert (asked_verb, resource.id, told['request']) == (verb, volume['id'], verb)
    assert {name: row['needed'] for name, row in told['quota'].items()} == needed


def test_group(api, asked, ctxt, rows):
    group_type = api.post('/group_types', {'group_type': {'name': 'g'}}).json['group_type']
    kind = types_db.create(ctxt, {'name': 'gold'})
    body = {'group': {'group_type': group_type['id'], 'volume_types': [kind.id]}}
    before = rows()
    told = api.post(URL, body).json['what_if']
    assert rows() == before
    verb, _arguments, group = question(asked)
    assert (verb, group.volume_types, group.group_type.name) == ('group.create', [kind.id], 'g')
    assert told['quota'] == {'groups': {'limit': 10, 'used': 0, 'needed': 1, 'left': 9}}
    api.post(URL, body, mv='3.12').fault(404)


@pytest.mark.parametrize(('body', 'code', 'text'), [
    ({'volume': {'size': 0}}, 400, 'size'),
    ({'volume': {'size': 1, 'colour': 'red'}}, 400, 'colour'),
    ({'volume': {'size': 1, 'volume_type': 'none'}}, 404, 'none'),
    ({'volume': {'size': 1001}}, 413, 'quota'),
    ({'volume': {'size': 1, 'availability_zone': 'moon'}}, 400, 'moon'),
    ({'volume': {'size': 1}, 'OS-SCH-HNT:scheduler_hints': {'query': '['}}, 400, 'query'),
    ({'os-extend': {'new_size': 1}}, 400, 'must be greater'),
    ({'os-extend': {'size': 5}}, 400, 'new_size'),
    ({'os-retype': {'new_type': 'none'}}, 404, 'none'),
    ({'os-migrate_volume': {'host': 'no@where'}}, 400, 'no@where')])
def test_what_the_request_refuses_is_refused_alike(api, asked, body, code, text):
    kind, volume = next(iter(body)), fake_daemons.volume(PROJECT)
    real, told = f"/volumes/{volume['id']}/action", body
    if kind == 'volume':
        real = '/volumes'
    else:
        told = {'volume_id': volume['id'], **body}
    refusal = api.post(real, body)
    assert (api.post(URL, told).status, api.post(URL, told).body) == (refusal.status, refusal.body)
    assert text.replace('quota', 'quota') in refusal.fault(code)
    assert asked.sent == []


VOLUME_ID = '6d9f6ab0-4d0e-4d0c-8f6b-0c1f0c6f6d53'


@pytest.mark.parametrize(('body', 'words'), [
    ({}, 'contains no request; expected exactly one of volume, group, os-extend'),
    ({'volume_id': 'x', 'os-extend': {'new_size': 2}}, 'volume_id'),
    ({'os-extend': {'new_size': 2}}, 'os-extend needs volume_id'),
    ({'volume': {'size': 1}, 'group': {}}, 'contains group and volume; expected exactly one'),
    ({'volume': {'size': 1}, 'os-extend': {'new_size': 2}}, 'contains os-extend and volume'),
    ({'os-attach': {'mountpoint': '/dev/vdb'}}, 'os-attach'),
    ({'volume_id': VOLUME_ID, 'volume': {'size': 1}}, 'is not about a volume')])
def test_other_bodies(api, asked, body, words):
    assert words in api.post(URL, body).fault(400)
    assert asked.sent == []


def test_addresses(api, asked):
    for url in (f'/v3/{PROJECT}{URL}', f'/v3{URL}', f'/v3{URL}.json'):
        assert api.post(url, {'volume': {'size': 1}}, bare=True).status == 200


def test_nothing_is_left_after_a_question(api, asked, bus):
    """The next request of the process is meant."""
    api.post(URL, {'volume': {'size': 1}})
    api.post('/volumes', {'volume': {'size': 1}})
    assert bus.methods('cast') == ['create_volume']
    assert len(api.get('/volumes').json['volumes']) == 1


def test_no_key_is_made(api, asked, ctxt, key_manager, monkeypatch):
    kind = types_db.create(ctxt, {'name': 'secret'})
    api.post(f'/types/{kind.id}/encryption', {'encryption': {
        'provider': 'luks', 'key_size': 256, 'cipher': 'aes-xts-plain64',
        'control_location': 'front-end'}})
    monkeypatch.setattr(key_manager, 'create_key', None)
    assert api.post(URL, {'volume': {'size': 1, 'volume_type': 'secret'}}).status == 200


def test_no_scheduler(api, bus):
    bus.answers['what_if'] = exception.RPCTimeout()
    answer = api.post(URL, {'volume': {'size': 1}})
    assert 'no cinder-scheduler answered within 15 s' in answer.fault(503)
    bus.answers['what_if'] = exception.ServiceTooOld()
    assert 'too old' in api.post(URL, {'volume': {'size': 1}}).fault(503)


def test_for_operators(member, reader, asked):
    for client in (member, reader):
        client.post(URL, {'volume': {'size': 1}}).fault(403)
    assert asked.sent == []


def test_policy_can_allow_tenants_their_own_volumes(api, member, reader, asked, tenants_may):
    body = {'volume': {'size': 1}}
    for client in (member, reader):
        told = client.post(URL, body).json['what_if']
        assert told['refused'] == [{'reason': 'has too little space', 'pools': 1}]
        assert told['ignored_hints'] == ['colour']
        assert (told['fitting'], told['accepted'], told['reason']) == (1, True, None)
        assert told['quota']['volumes']['left'] == 9
        assert 'n1@lvm' not in str(told) and 'choice' not in told and 'pools' not in told
    reader.post('/volumes', body).fault(403)
    reader.post(URL, {'group': {'group_type': 'g', 'volume_types': []}}).fault(403)
