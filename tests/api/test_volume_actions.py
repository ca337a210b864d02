# SPDX-License-Identifier: Apache-2.0
"""POST /volumes/{id}/action: what each action takes, does and refuses."""
import json

import pytest

from cinder.api.v3 import manage_volumes, volume_actions, volume_migrations
from cinder.db import quotas as quotas_db
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from tests.api.client import PROJECT
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

CONNECTOR = {'host': 'h', 'ip': '192.0.2.1', 'initiator': 'iqn.2000-01.example:h'}
IDS = '3f1f9a3c-3b0e-4f0e-9b0a-0d6d6b8c2f11'
# A good value of each action, for checks that come before it is looked at.
GOOD = {
    'os-attach': {'instance_uuid': IDS, 'mountpoint': '/dev/vdb'}, 'os-detach': {},
    'os-force_detach': {}, 'os-reserve': None, 'os-unreserve': None,
    'os-begin_detaching': None, 'os-roll_detaching': None,
    'os-initialize_connection': {'connector': CONNECTOR},
    'os-terminate_connection': {'connector': CONNECTOR}, 'os-extend': {'new_size': 2},
    'os-extend_volume_completion': {'error': False}, 'revert': {'snapshot_id': IDS},
    'os-retype': {'new_type': 'x'}, 'os-migrate_volume': {'host': 'h@b#p'},
    'os-migrate_volume_completion': {'new_volume': IDS},
    'os-volume_upload_image': {'image_name': 'n'}, 'os-reimage': {'image_id': IDS},
    'os-update_readonly_flag': {'readonly': True}, 'os-set_bootable': {'bootable': True},
    'os-reset_status': {'status': 'error'}, 'os-force_delete': {},
    'os-set_image_metadata': {'metadata': {'k': 'v'}}, 'os-show_image_metadata': None,
    'os-unset_image_metadata': {'key': 'k'}, 'os-unmanage': None,
}
ADMIN_ONLY = ('os-force_detach', 'os-extend_volume_completion', 'os-migrate_volume',
              'os-migrate_volume_completion', 'os-reset_status', 'os-force_delete', 'os-unmanage')


@pytest.fixture
def act(api, volume):
    """act(key, value) sends an action to the volume; act.volume() is what it then is."""
    def send(key, value=None, client=api, **kwargs):
        return client.post(f"/volumes/{volume['id']}/action", {key: value}, **kwargs)
    send.volume = lambda: api.get('/volumes/' + volume['id']).json['volume']
    return send


def make(status, volume):
    volumes_db.overwrite(ADMIN, volume['id'], {'status': status})


# ---------------------------------------------------------------------------------- all actions
def test_the_table_is_complete():
    assert set(GOOD) == {*volume_actions.ACTIONS, *volume_migrations.ACTIONS,
                         *manage_volumes.ACTIONS}


@pytest.mark.parametrize('key', GOOD)
def test_an_unknown_volume_is_named(api, nobody, key):
    assert nobody in api.post(f'/volumes/{nobody}/action', {key: GOOD[key]}).fault(404)


@pytest.mark.parametrize('key', GOOD)
def test_readers_are_refused(reader, act, key):
    if key == 'os-show_image_metadata':
        assert act(key, GOOD[key], client=reader).status == 200
    else:
        act(key, GOOD[key], client=reader).fault(403)


@pytest.mark.parametrize('key', ADMIN_ONLY)
def test_members_are_refused(member, act, key):
    act(key, GOOD[key], client=member).fault(403)


@pytest.mark.parametrize('key', sorted(key for key in GOOD if isinstance(GOOD[key], dict)
                                       and key != 'os-force_delete'))
def test_values_have_to_fit(api, nobody, key):
    for value in ('text', 5, [1], {**GOOD[key], **dict.fromkeys(GOOD[key], {'an': ['object']})}):
        if value not in ({}, GOOD[key]) and not (key.endswith('connection')
                                                 and isinstance(value, dict)):
            api.post(f'/volumes/{nobody}/action', {key: value}).fault(400)


@pytest.mark.parametrize('body', [
    {}, [], None, 5, {'os-reserve': None, 'os-unreserve': None}, {'no-such-action': {}}])
def test_exactly_one_known_action(api, volume, body):
    api.post(f"/volumes/{volume['id']}/action", body).fault(400)


@pytest.mark.parametrize('key, since', [('revert', 40), ('os-reimage', 68)])
def test_actions_are_hidden_below_their_version(act, key, since):
    act(key, GOOD[key], mv=f'3.{since - 1}').fault(404)
    assert act(key, GOOD[key], mv=f'3.{since}').status in (400, 404)


# ------------------------------------------------------------------------------------ attaching
def test_reserve_and_unreserve(act):
    assert (act('os-reserve').status, act.volume()['status']) == (202, 'attaching')
    act('os-reserve').fault(400)
    assert (act('os-unreserve').status, act.volume()['status']) == (202, 'available')
    assert (act('os-unreserve').status, act.volume()['status']) == (202, 'available')


def test_attach_and_detach(act):
    act('os-begin_detaching').fault(400)
    assert act('os-attach', {'host_name': 'h', 'mountpoint': '/dev/vdb'}).status == 202
    shown = act.volume()
    assert shown['status'] == 'in-use' and shown['attachments'][0]['device'] == '/dev/vdb'
    assert shown['metadata']['attached_mode'] == 'rw'
    act('os-attach', {'host_name': 'h', 'mountpoint': '/dev/vdb'}).fault(400)
    act('os-begin_detaching')
    assert act.volume()['status'] == 'detaching'
    assert (act('os-roll_detaching').status, act.volume()['status']) == (202, 'in-use')
    act('os-detach', {'attachment_id': IDS}).fault(400)
    assert act('os-detach', None).status == 202
    assert (act.volume()['status'], act.volume()['attachments']) == ('available', [])


@pytest.mark.parametrize('value', [
    {'mountpoint': '/dev/vdb'}, {'instance_uuid': IDS}, {'instance_uuid': 'x', 'mountpoint': '/'},
    {'instance_uuid': IDS, 'mountpoint': ''}, {'instance_uuid': IDS, 'mountpoint': 'x' * 256},
    {'instance_uuid': IDS, 'mountpoint': '/', 'mode': 'wo'},
    {'instance_uuid': IDS, 'mountpoint': '/', 'other': 1}])
def test_attach_refuses_bad_values(act, value):
    act('os-attach', value).fault(400)


def test_read_only_volumes_are_attached_read_only(act):
    assert act('os-update_readonly_flag', {'readonly': 'yes'}).status == 202
    assert act.volume()['metadata']['readonly'] == 'True'
    act('os-attach', {'host_name': 'h', 'mountpoint': '/', 'mode': 'rw'}).fault(400)
    assert act('os-attach', {'host_name': 'h', 'mountpoint': '/', 'mode': 'ro'}).status == 202
    act('os-update_readonly_flag', {'readonly': False}).fault(400)


def test_force_detach(act):
    act('os-attach', {'host_name': 'h', 'mountpoint': '/'})
    assert act('os-force_detach', {'connector': CONNECTOR}).status == 202
    assert act.volume()['status'] == 'available'


def test_connections(act, daemons):
    answer = act('os-initialize_connection', {'connector': CONNECTOR})
    assert answer.status == 200
    assert set(answer.json['connection_info']) == {'driver_volume_type', 'data',
                                                   'enforce_multipath'}
    assert act('os-terminate_connection', {'connector': None}).status == 202
    assert daemons.messages[-2:] == ['initialize_connection', 'terminate_connection']


# ------------------------------------------------------------------------ size, type and content
def test_extend(act):
    for size in (1, 0, '0', -1, 'x', 1.5, 2 ** 31, None):
        act('os-extend', {'new_size': size}).fault(400)
    assert act('os-extend', {'new_size': '3'}).status == 202
    assert act.volume()['size'] == 3
    act('os-extend', {'new_size': 2 ** 30}).fault(413)
    assert act.volume()['status'] == 'available'


def test_extend_in_use_from_3_42(act, volume):
    act('os-attach', {'host_name': 'h', 'mountpoint': '/'})
    act('os-extend', {'new_size': 2}, mv='3.41').fault(400)
    assert act('os-extend', {'new_size': 2}, mv='3.42').status == 202
    assert (act.volume()['size'], act.volume()['status']) == (2, 'in-use')


def test_extend_completion_needs_a_waiting_extend(act, volume):
    act('os-extend_volume_completion', {'error': False}).fault(400)
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'extending', 'previous_status': 'in-use'})
    act('os-extend_volume_completion', {'error': False}).fault(400)
    volumes_db.set_admin_metadata(ADMIN, volume['id'], {'extend_new_size': '4'})
    assert act('os-extend_volume_completion', {'error': None}, mv='3.0').status == 202
    assert (act.volume()['status'], act.volume()['size']) == ('in-use', 4)


def test_one_of_two_completions_of_an_extend_is_refused(act, volume, monkeypatch):
    """Both read the volume before one of them changed it, and the next growth has begun."""
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'extending', 'previous_status': 'in-use'})
    volumes_db.set_admin_metadata(ADMIN, volume['id'], {'extend_new_size': '4'})
    transition = volumes_db.transition

    def late(ctxt, row, *args, **kwargs):
        volumes_db.delete_admin_metadata(ctxt, volume['id'], 'extend_new_size')
        transition(ctxt, row, *args, **kwargs)
    monkeypatch.setattr(volumes_db, 'transition', late)
    act('os-extend_volume_completion', {'error': False}).fault(400)
    assert (act.volume()['status'], act.volume()['size']) == ('extending', 1)


def test_failed_extend_completion(api, act, volume):
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'extending'})
    volumes_db.set_admin_metadata(ADMIN, volume['id'], {'extend_new_size': '4'})
    assert act('os-extend_volume_completion', {'error': 'true'}).status == 202
    assert (act.volume()['status'], act.volume()['size']) == ('error_extending', 1)
    (message,) = api.get('/messages', mv='3.5').json['messages']
    assert message['resource_uuid'] == volume['id']


def test_revert(act, volume, snapshot):
    act('revert', {'snapshot_id': IDS}).fault(400)
    act('revert', {}).fault(400)
    assert act('revert', {'snapshot_id': snapshot['id']}, mv='3.40').status == 202
    make('in-use', volume)
    act('revert', {'snapshot_id': snapshot['id']}).fault(409)


def test_retype(act):
    gold = types_db.create(ADMIN, {'name': 'gold', 'is_public': True})
    act('os-retype', {'new_type': 'nope'}).fault(404)
    act('os-retype', {'new_type': 'gold', 'migration_policy': 'zz'}).fault(400)
    act('os-retype', {'new_type': 'gold', 'migration_policy': None}).fault(400)
    act('os-retype', {'new_type': '__DEFAULT__'}).fault(400)
    assert act('os-retype', {'new_type': gold.id}).status == 202


def test_a_retype_takes_quota_when_it_is_accepted(act, api):
    gold = types_db.create(ADMIN, {'name': 'gold', 'is_public': True})
    quotas_db.set_limits(ADMIN, PROJECT, {'volumes_gold': 1})
    other = api.post('/volumes', {'volume': {'size': 1}}).json['volume']
    volumes_db.overwrite(ADMIN, other['id'], {'status': 'available'})
    assert act('os-retype', {'new_type': gold.id}).status == 202
    words = api.post(f'/volumes/{other["id"]}/action', {'os-retype': {
        'new_type': gold.id}}).fault(413)
    assert 'VolumeLimitExceeded' in words
    shown = api.get(f'/os-quota-sets/{PROJECT}?usage=true').json['quota_set']
    assert shown['volumes_gold']['in_use'] == 1


def test_migration_needs_one_known_destination(act):
    act('os-migrate_volume', {}, mv='3.15').fault(400)
    act('os-migrate_volume', {'cluster': 'c'}, mv='3.15').fault(400)
    for value in ({}, {'host': 'h', 'cluster': 'c'}, {'host': None}, {'host': 'no@where#x'},
                  {'host': 'x' * 256}, {'host': 'h', 'lock_volume': 'zz'}):
        act('os-migrate_volume', value).fault(400)


@pytest.fixture
def other_backend(api):
    """A volume service that is up, in a cluster."""
    made = services_db.create(ADMIN, {
        'host': 'n@b', 'binary': 'cinder-volume', 'topic': 'cinder-volume',
        'availability_zone': 'nova', 'cluster_name': 'c@b'})
    services_db.heartbeat(ADMIN, made.id)
    return made


@pytest.mark.parametrize(('value', 'status'), [
    ({'host': 'n@b#p'}, 'available'), ({'cluster': 'c@b', 'host': None}, 'available'),
    ({'host': 'n@b', 'lock_volume': 'true', 'force_host_copy': True}, 'maintenance')])
def test_migration(act, other_backend, daemons, value, status):
    daemons.busy = True
    answer = act('os-migrate_volume', value)
    assert (answer.status, answer.body) == (202, b'')
    assert daemons.messages == ['migrate_volume']
    shown = act.volume()
    assert (shown['status'], shown['migration_status']) == (status, 'starting')
    act('os-migrate_volume', value).fault(400)


def test_a_volume_with_snapshots_does_not_migrate(act, other_backend, snapshot):
    assert snapshot['id'] in act('os-migrate_volume', {'host': 'n@b'}).fault(400)


def test_completion_of_a_migration(act, volume, api):
    other = fake_daemons.volume(PROJECT)
    volumes_db.update(ADMIN, volume['id'], {'migration_status': 'migrating'})
    act('os-migrate_volume_completion', {'new_volume': other['id']}).fault(400)
    volumes_db.update(ADMIN, other['id'], {'migration_status': f"target:{volume['id']}",
                                           'host': 'n@b#p'})
    answer = act('os-migrate_volume_completion', {'new_volume': other['id'].upper()})
    assert (answer.status, answer.json) == (200, {'save_volume_id': volume['id']})
    shown = act.volume()
    assert (shown['os-vol-host-attr:host'], shown['migration_status']) == ('n@b#p', 'success')
    assert shown['os-vol-mig-status-attr:name_id'] == other['id']
    api.get('/volumes/' + other['id']).fault(404)


def test_completion_without_a_migration_moves_the_attachments(act, volume, api):
    other = fake_daemons.volume(PROJECT)
    act('os-attach', {'instance_uuid': IDS, 'mountpoint': '/dev/vdb'})
    answer = act('os-migrate_volume_completion', {'new_volume': other['id'], 'error': None})
    assert answer.json == {'save_volume_id': other['id']}
    assert act.volume()['status'] == 'available'
    attachment, = api.get('/volumes/' + other['id']).json['volume']['attachments']
    assert (attachment['server_id'], attachment['volume_id']) == (IDS, other['id'])


def test_images_need_an_image_service(act):
    assert 'image service' in act('os-volume_upload_image', {'image_name': 'n'}).fault(400)
    act('os-volume_upload_image', {'image_name': 'n', 'protected': True}, mv='3.0').fault(400)
    act('os-volume_upload_image', {'image_name': 'n', 'disk_format': 'exe'}).fault(400)
    assert 'image service' in act('os-reimage', {'image_id': IDS}).fault(400)


def test_public_images_are_for_administrators(member, act):
    value = {'image_name': 'n', 'visibility': 'public'}
    assert 'upload_public' in act('os-volume_upload_image', value, client=member).fault(403)


# ---------------------------------------------------------------------------- marks and statuses
def test_set_bootable(act, volume):
    for given, shown in ((True, 'true'), ('off', 'false'), ('1', 'true')):
        answer = act('os-set_bootable', {'bootable': given})
        assert (answer.status, answer.body) == (200, b'')
        assert act.volume()['bootable'] == shown
    act('os-set_bootable', {'bootable': 'perhaps'}).fault(400)
    make('maintenance', volume)
    act('os-set_bootable', {'bootable': True}).fault(400)


def test_reset_status(act):
    assert act('os-reset_status', {'status': 'ERROR', 'attach_status': ''}).status == 202
    assert act.volume()['status'] == 'error'
    assert act('os-reset_status', {'migration_status': 'migrating'}).status == 202
    assert act.volume()['migration_status'] == 'migrating'
    assert act('os-reset_status', {'status': 'available', 'attach_status': 'detached',
                                   'migration_status': 'none'}).status == 202
    assert (act.volume()['status'], act.volume()['migration_status']) == ('available', None)


@pytest.mark.parametrize('value', [
    {}, {'status': ''}, {'status': None}, {'status': 'zz'}, {'status': 'deleting'},
    {'status': 'in-use'}, {'status': 'reverting'}, {'status': 'error\n'},
    {'attach_status': 'zz'}, {'migration_status': 'zz'}, {'status': 'error', 'other': 1}])
def test_reset_status_refuses(act, value):
    act('os-reset_status', value).fault(400)


def test_force_delete(act, api, volume, daemons):
    make('creating', volume)
    assert act('os-force_delete', {}).status == 202
    api.get('/volumes/' + volume['id']).fault(404)


def test_force_delete_spares_what_is_attached(act):
    act('os-attach', {'host_name': 'h', 'mountpoint': '/'})
    act('os-force_delete', {}).fault(400)


# -------------------------------------------------------------------------------- image metadata
def test_image_metadata(act):
    assert act('os-show_image_metadata').json == {'metadata': {}}
    answer = act('os-set_image_metadata', {'metadata': {'x': 'y', 'long': 'v' * 65535}})
    assert (answer.status, answer.json['metadata']['x']) == (200, 'y')
    assert act('os-set_image_metadata', {'metadata': {'a': 'b'}}).json['metadata']['x'] == 'y'
    assert act.volume()['volume_image_metadata']['a'] == 'b'
    answer = act('os-unset_image_metadata', {'key': 'x'})
    assert (answer.status, answer.body) == (200, b'')
    assert 'x' in act('os-unset_image_metadata', {'key': 'x'}).fault(404)


@pytest.mark.parametrize('metadata', [
    None, 'x', {'k': 1}, {'k' * 256: 'v'}, {'k?': 'v'}])
def test_image_metadata_has_limits(act, metadata):
    act('os-set_image_metadata', {'metadata': metadata}).fault(400)


def test_image_metadata_values_are_counted_in_bytes(api, volume):
    body = {'os-set_image_metadata': {'metadata': {'k': '\u20ac' * 22000}}}
    raw = json.dumps(body, ensure_ascii=False).encode()
    api.request('POST', f"/volumes/{volume['id']}/action", raw=raw).fault(400)
