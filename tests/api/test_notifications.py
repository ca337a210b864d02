# SPDX-License-Identifier: Apache-2.0
"""What the API notifies of, as the original does: its events, publishers and the keys of the
payloads were read from its log."""
import json

import pytest

from cinder.api import openapi
from cinder.api.v3 import router
from cinder.db import backups as backups_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import notices as store
from cinder.db import types as types_db
from tests.api.client import PROJECT
from tests.fakes import daemons as fake_daemons

_TYPE = {'id', 'name', 'description', 'is_public', 'deleted_at', 'deleted', 'created_at',
         'updated_at'}
_VOLUME = {'tenant_id', 'host', 'user_id', 'availability_zone', 'volume_id', 'volume_type',
           'display_name', 'launched_at', 'created_at', 'status', 'snapshot_id', 'size',
           'replication_status', 'replication_extended_status', 'replication_driver_data',
           'metadata', 'volume_attachment'}
_SNAPSHOT = {'tenant_id', 'user_id', 'availability_zone', 'volume_id', 'volume_size', 'snapshot_id',
             'display_name', 'created_at', 'status', 'deleted', 'metadata'}
_BACKUP = {'tenant_id', 'user_id', 'availability_zone', 'backup_id', 'host', 'display_name',
           'created_at', 'status', 'volume_id', 'size', 'service_metadata', 'service',
           'fail_reason', 'parent_id', 'num_dependent_backups', 'snapshot_id'}
_RESET = {'id', 'update'}
# Request -> event -> keys of its payload. {name} is an id of the world of the test.
REQUESTS = [
    ('POST', 'types', {'volume_type': {'name': 'n'}}, {'volume_type.create': {'volume_types'}}),
    ('PUT', 'types/{other}', {'volume_type': {'name': 'o'}},
     {'volume_type.update': {'volume_types'}}),
    ('DELETE', 'types/{other}', None, {'volume_type.delete': {'volume_types'}}),
    ('POST', 'types/{other}/extra_specs', {'extra_specs': {'a': 'b'}},
     {'volume_type_extra_specs.create': {'type_id', 'specs', 'created_at', 'updated_at'}}),
    ('PUT', 'types/{other}/extra_specs/k', {'k': 'w'},
     {'volume_type_extra_specs.update': {'type_id', 'id', 'created_at', 'updated_at'}}),
    ('DELETE', 'types/{other}/extra_specs/k', None,
     {'volume_type_extra_specs.delete': {'type_id', 'id', 'created_at', 'updated_at',
                                         'deleted_at'}}),
    ('POST', 'types/{private}/action', {'addProjectAccess': {'project': PROJECT}},
     {'volume_type_project.access.add': {'volume_type_id', 'project_id'}}),
    ('POST', 'types/{private}/action', {'removeProjectAccess': {'project': 'p9'}},
     {'volume_type_project.access.remove': {'volume_type_id', 'project_id'}}),
    ('POST', 'types/{private}/encryption',
     {'encryption': {'provider': 'luks', 'control_location': 'front-end'}},
     {'volume_type_encryption.create': {'type_id', 'specs'}}),
    ('PUT', 'types/{secret}/encryption/x', {'encryption': {'key_size': 128}},
     {'volume_type_encryption.update': {'type_id', 'id'}}),
    ('DELETE', 'types/{secret}/encryption/x', None,
     {'volume_type_encryption.delete': {'type_id', 'id'}}),
    ('POST', 'qos-specs', {'qos_specs': {'name': 'q', 'x': '1'}},
     {'qos_specs.create': {'name', 'created_at', 'specs', 'id'}}),
    ('PUT', 'qos-specs/{qos}', {'qos_specs': {'y': '2'}},
     {'qos_specs.update': {'id', 'created_at', 'updated_at', 'specs'}}),
    ('PUT', 'qos-specs/{qos}/delete_keys', {'keys': ['x']},
     {'qos_specs.delete_keys': {'id', 'created_at', 'updated_at'}}),
    ('GET', 'qos-specs/{qos}/associate?vol_type_id={other}', None,
     {'qos_specs.associate': {'id', 'type_id', 'created_at'}}),
    ('GET', 'qos-specs/{qos}/disassociate?vol_type_id={private}', None,
     {'qos_specs.disassociate': {'id', 'type_id', 'created_at'}}),
    ('GET', 'qos-specs/{qos}/disassociate_all', None,
     {'qos_specs.disassociate_all': {'id', 'created_at'}}),
    ('DELETE', 'qos-specs/{lone}', None, {'qos_specs.delete': {'id', 'created_at', 'deleted_at'}}),
    ('POST', 'group_types', {'group_type': {'name': 'n'}}, {'group_type.create': {'group_types'}}),
    ('PUT', 'group_types/{kind}', {'group_type': {'name': 'o'}},
     {'group_type.update': {'group_types'}}),
    ('DELETE', 'group_types/{kind}', None, {'group_type.delete': {'group_types'}}),
    ('POST', 'group_types/{kind}/group_specs', {'group_specs': {'a': 'b'}},
     {'group_type_specs.create': {'type_id', 'specs'}}),
    ('PUT', 'group_types/{kind}/group_specs/k', {'k': 'w'},
     {'group_type_specs.update': {'type_id', 'id'}}),
    ('DELETE', 'group_types/{kind}/group_specs/k', None,
     {'group_type_specs.delete': {'type_id', 'id'}}),
    ('PUT', 'volumes/{volume}', {'volume': {'name': 'n'}},
     {'volume.update.start': _VOLUME, 'volume.update.end': _VOLUME}),
    ('POST', 'volumes/{volume}/action', {'os-reset_status': {'status': 'error'}},
     {'volume.reset_status.start': _VOLUME, 'volume.reset_status.end': _VOLUME}),
    ('PUT', 'snapshots/{snapshot}', {'snapshot': {'name': 'n'}},
     {'snapshot.update.start': _SNAPSHOT, 'snapshot.update.end': _SNAPSHOT}),
    ('POST', 'snapshots/{snapshot}/action', {'os-reset_status': {'status': 'error'}},
     {'snapshot.reset_status.start': _SNAPSHOT, 'snapshot.reset_status.end': _SNAPSHOT}),
    ('POST', 'backups/{backup}/action', {'os-reset_status': {'status': 'error'}},
     {'backup.reset_status.start': _BACKUP, 'backup.reset_status.end': _BACKUP}),
    ('POST', 'groups/{group}/action', {'reset_status': {'status': 'error'}},
     {'groups.reset_status.start': _RESET, 'groups.reset_status.end': _RESET}),
    ('POST', 'group_snapshots/{group_snapshot}/action', {'reset_status': {'status': 'error'}},
     {'groupsnapshots.reset_status.start': _RESET, 'groupsnapshots.reset_status.end': _RESET}),
    ('POST', 'volume-transfers', {'transfer': {'volume_id': '{volume}', 'no_snapshots': True}},
     {'volume.transfer.create.start': _VOLUME, 'volume.transfer.create.end': _VOLUME}),
]
PUBLISHERS = {'volume_type': 'volumeType', 'volume_type_extra_specs': 'volumeTypeExtraSpecs',
              'volume_type_encryption': 'volumeTypeEncryption', 'qos_specs': 'QoSSpecs',
              'group_type': 'groupType', 'group_type_specs': 'groupTypeSpecs',
              'groups': 'groupStatusUpdate', 'groupsnapshots': 'groupSnapshotStatusUpdate'}


@pytest.fixture
def kept(told):
    """Notifications are kept and not sent; read them."""
    def read():
        rows = store.first(fake_daemons.ADMIN, 99)
        store.remove(fake_daemons.ADMIN, [row['id'] for row in rows])
        return [(row['event_type'], row['publisher_id'], json.loads(row['payload']))
                for row in rows]
    return read


@pytest.fixture
def ids(api):
    """Resources: those of the table."""
    def make(path, kind, **values):
        return api.post(f'/{path}', {kind: values}).json[kind]['id']
    made = {'other': make('types', 'volume_type', name='other'),
            'private': make('types', 'volume_type', name='private',
                            **{'os-volume-type-access:is_public': False}),
            'secret': make('types', 'volume_type', name='secret'),
            'qos': make('qos-specs', 'qos_specs', name='qos', x='1'),
            'lone': make('qos-specs', 'qos_specs', name='lone'),
            'kind': make('group_types', 'group_type', name='kind')}
    api.post(f'/types/{made["other"]}/extra_specs', {'extra_specs': {'k': 'v'}})
    api.post(f'/types/{made["private"]}/action', {'addProjectAccess': {'project': 'p9'}})
    api.get(f'/qos-specs/{made["qos"]}/associate?vol_type_id={made["private"]}')
    api.post(f'/types/{made["secret"]}/encryption', {'encryption': {
        'provider': 'luks', 'control_location': 'front-end'}})
    api.post(f'/group_types/{made["kind"]}/group_specs', {'group_specs': {'k': 'v'}})
    made['volume'] = fake_daemons.volume(PROJECT, name='one')['id']
    made['snapshot'] = fake_daemons.snapshot(PROJECT, made['volume'])['id']
    made['backup'] = backups_db.create(fake_daemons.ADMIN, {
        'project_id': PROJECT, 'size': 1, 'status': 'available', 'volume_id': made['volume']}).id
    group = groups_db.create(
        fake_daemons.ADMIN, {'project_id': PROJECT, 'status': 'available'},
        [types_db.default(fake_daemons.ADMIN).id],
        group_types_db.create(fake_daemons.ADMIN, {'name': 'used', 'is_public': True}))
    made['group'] = group.id
    made['group_snapshot'] = group_snapshots_db.create(
        fake_daemons.ADMIN, {'project_id': PROJECT, 'status': 'available'}, group).id
    return made


@pytest.mark.parametrize(('method', 'path', 'body', 'events'), REQUESTS, ids=[
    f'{method} {path}' for method, path, _body, _events in REQUESTS])
def test_events(api, bus, ids, kept, told, method, path, body, events):
    text = json.dumps(body)
    for name, ident in ids.items():
        text = text.replace(f'{{{name}}}', ident)
    answer = api.request(method, '/' + path.format(**ids), json.loads(text))
    assert answer.status < 300, answer.body
    found = kept()
    told.require_changes()
    assert {event: payload.keys() for event, _publisher, payload in found} == events
    for event, publisher, payload in found:
        prefix = event.partition('.')[0]
        assert publisher.partition('.')[0] == PUBLISHERS.get(prefix, prefix)
        for name in ('volume_types', 'group_types'):
            assert not payload.get(name) or payload[name].keys() >= _TYPE


def test_every_reset_of_a_status_is_in_the_table():
    found = {(row.path.split('/')[1], row.action) for row in openapi.list_operations(router.ROUTES)
             if row.action and row.action.endswith('reset_status')}
    assert len(found) == 5
    assert found == {(path.split('/')[0], key) for _method, path, body, events in REQUESTS
                     for key in body or () if any(
                         event.endswith('reset_status.end') for event in events)}


def test_a_request_that_is_refused_notifies_of_nothing(api, bus, ids, kept):
    assert api.put(f'/types/{ids["other"]}', {'volume_type': {'name': 'private'}}).status == 409
    assert api.delete('/qos-specs/nobody').status == 404
    assert api.delete(f'/qos-specs/{ids["qos"]}').status == 400
    assert kept() == []


def test_a_transfer_to_its_end(api, bus, ids, kept, told):
    body = {'transfer': {'volume_id': ids['volume'], 'no_snapshots': True}}
    made = api.post('/volume-transfers', body).json['transfer']
    api.delete(f'/volume-transfers/{made["id"]}')
    made = api.post('/volume-transfers', body).json['transfer']
    answer = api.post(f'/volume-transfers/{made["id"]}/accept',
                      {'accept': {'auth_key': made['auth_key']}})
    assert answer.status == 202, answer.body
    told.require_changes()
    assert [event for event, _publisher, _payload in kept()] == [
        f'volume.transfer.{verb}.{phase}' for verb in ('create', 'delete', 'create', 'accept')
        for phase in ('start', 'end')]
