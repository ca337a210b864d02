# SPDX-License-Identifier: Apache-2.0
"""The operations of the state table as requests, and a world in which each of them is allowed.

Tests on states and on races are made from this table: tests/api/states.csv says from which statuses
an operation may start, REQUESTS says what a client sends and whose status that is about.
"""
import csv
import functools
import json
import pathlib
import re
from typing import Any, NamedTuple

from cinder.db import attachments as attachments_db
from cinder.db import backups as backups_db
from cinder.db import clusters as clusters_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import qos_specs as qos_specs_db
from cinder.db import services as services_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from tests.api.client import Answer, Api
from tests.fakes import backup_service
from tests.fakes import daemons as fake
from tests.fakes.daemons import ADMIN

TABLE = pathlib.Path(__file__).with_name('states.csv')
SERVER = '00000000-0000-4000-8000-000000000001'
CONNECTOR = {'host': 'node', 'initiator': 'iqn.1993-08.org.debian:01:x'}
VALUES = {'volume': states.VOLUME_STATUSES, 'snapshot': states.SNAPSHOT_STATUSES,
          'group': states.GROUP_STATUSES, 'group_snapshot': states.GROUP_SNAPSHOT_STATUSES,
          'backup': states.BACKUP_STATUSES}
STORES = {'volume': volumes_db, 'snapshot': snapshots_db, 'group': groups_db,
          'group_snapshot': group_snapshots_db, 'backup': backups_db}
# Tables that a refused request may write to.
LOCKS = {'quota_locks'}


class Request(NamedTuple):
    """What a client sends.

    :ivar subject: name in World of the thing whose status matters.
    :ivar kind: what that thing is, a key of STORES.
    :ivar body: action key or a JSON text; '{name}' in path and body is an id of World.
    """

    subject: str
    kind: str
    method: str
    path: str
    body: Any = None


def _act(key: str, value: Any = None, subject: str = 'volume', kind: str = 'volume') -> Request:
    return Request(subject, kind, 'POST', f'/{kind}s/<{subject}>/action', {key: value})


def _on(kind: str, method: str, suffix: str = '', body: Any = None,
        subject: str | None = None) -> Request:
    subject = subject or kind
    return Request(subject, kind, method, f'/{kind}s/<{subject}>{suffix}', body)


_FROM_GROUP = {'create-from-src': {'name': 'n', 'source_group_id': '<group>'}}

REQUESTS: dict[tuple[str, str], Request] = {
    ('volume', 'create from snapshot'): Request(
        'snapshot', 'snapshot', 'POST', '/volumes', {'volume': {'snapshot_id': '<snapshot>'}}),
    ('volume', 'create from volume'): Request(
        'volume', 'volume', 'POST', '/volumes', {'volume': {'source_volid': '<volume>'}}),
    ('volume', 'create from backup'): Request(
        'backup', 'backup', 'POST', '/volumes', {'volume': {'backup_id': '<backup>', 'size': 1}}),
    ('volume', 'update'): _on('volume', 'PUT', '', {'volume': {'name': 'n'}}),
    ('volume', 'delete'): _on('volume', 'DELETE'),
    ('volume', 'delete with cascade'): _on('volume', 'DELETE', '?cascade=true', subject='parent'),
    ('volume', 'os-reserve'): _act('os-reserve'),
    ('volume', 'os-attach'): _act('os-attach', {'mountpoint': '/dev/vdb', 'host_name': 'h'}),
    ('volume', 'os-begin_detaching'): _act('os-begin_detaching', subject='held'),
    ('volume', 'os-force_detach'): _act('os-force_detach', {}, subject='held'),
    ('volume', 'attachment create'): Request(
        'volume', 'volume', 'POST', '/attachments',
        {'attachment': {'volume_uuid': '<volume>', 'instance_uuid': SERVER}}),
    ('volume', 'attachment create with connector'): Request(
        'volume', 'volume', 'POST', '/attachments',
        {'attachment': {'volume_uuid': '<volume>', 'instance_uuid': SERVER,
                        'connector': CONNECTOR}}),
    ('volume', 'attachment update'): Request(
        'reserved', 'volume', 'PUT', '/attachments/<attachment>',
        {'attachment': {'connector': CONNECTOR}}),
    ('volume', 'os-extend'): _act('os-extend', {'new_size': 2}),
    ('volume', 'os-extend_volume_completion'): _act('os-extend_volume_completion', {},
                                                    subject='growing'),
    ('volume', 'os-retype without migration'): _act('os-retype', {'new_type': 'other'}),
    ('volume', 'os-retype with migration'): _act(
        'os-retype', {'new_type': 'other', 'migration_policy': 'on-demand'}),
    ('volume', 'os-migrate_volume'): _act('os-migrate_volume', {'host': 'node2@fake#pool'}),
    ('volume', 'os-volume_upload_image'): _act('os-volume_upload_image', {'image_name': 'n'}),
    ('volume', 'os-reimage'): _act('os-reimage', {'image_id': '<image>'}),
    ('volume', 'revert'): _act('revert', {'snapshot_id': '<snapshot>'}, subject='parent'),
    ('volume', 'backup create'): Request(
        'volume', 'volume', 'POST', '/backups', {'backup': {'volume_id': '<volume>'}}),
    ('volume', 'backup create from snapshot'): Request(
        'snapshot', 'snapshot', 'POST', '/backups',
        {'backup': {'volume_id': '<parent>', 'snapshot_id': '<snapshot>'}}),
    ('volume', 'backup restore into given volume'): Request(
        'volume', 'volume', 'POST', '/backups/<backup>/restore',
        {'restore': {'volume_id': '<volume>'}}),
    ('volume', 'transfer create'): Request(
        'volume', 'volume', 'POST', '/volume-transfers', {'transfer': {'volume_id': '<volume>'}}),
    ('volume', 'transfer accept'): Request(
        'offered', 'volume', 'POST', '/volume-transfers/<transfer>/accept',
        {'accept': {'auth_key': '<auth_key>'}}),
    ('volume', 'os-update_readonly_flag'): _act('os-update_readonly_flag', {'readonly': True}),
    ('volume', 'os-set_bootable'): _act('os-set_bootable', {'bootable': True}),
    ('volume', 'metadata update or delete'): _on('volume', 'PUT', '/metadata/k',
                                                 {'meta': {'k': 'v'}}),
    ('volume', 'os-unmanage'): _act('os-unmanage', {}),
    ('snapshot', 'create'): Request(
        'volume', 'volume', 'POST', '/snapshots', {'snapshot': {'volume_id': '<volume>'}}),
    ('snapshot', 'create with force (up to 3.65) or any from 3.66'): Request(
        'volume', 'volume', 'POST', '/snapshots',
        {'snapshot': {'volume_id': '<volume>', 'force': True}}),
    ('snapshot', 'delete'): _on('snapshot', 'DELETE'),
    ('snapshot', 'os-update_snapshot_status from creating'): _act(
        'os-update_snapshot_status', {'status': 'available'}, 'snapshot', 'snapshot'),
    ('snapshot', 'os-update_snapshot_status from deleting'): _act(
        'os-update_snapshot_status', {'status': 'error_deleting'}, 'snapshot', 'snapshot'),
    ('snapshot', 'os-unmanage'): _act('os-unmanage', {}, 'snapshot', 'snapshot'),
    ('backup', 'incremental create'): Request(
        'backup', 'backup', 'POST', '/backups',
        {'backup': {'volume_id': '<volume>', 'incremental': True}}),
    ('backup', 'delete'): _on('backup', 'DELETE'),
    ('backup', 'restore'): _on('backup', 'POST', '/restore', {'restore': {}}),
    ('backup', 'export_record'): _on('backup', 'GET', '/export_record'),
    ('group', 'create-from-src'): Request('group', 'group', 'POST', '/groups/action', _FROM_GROUP),
    ('group', 'update name or description'): _on('group', 'PUT', '', {'group': {'name': 'n'}}),
    ('group', 'update members'): _on('group', 'PUT', '',
                                     {'group': {'remove_volumes': '<member>'}}),
    ('group', 'delete'): _act('delete', {'delete-volumes': False}, 'empty', 'group'),
    ('group_snapshot', 'create'): Request(
        'group', 'group', 'POST', '/group_snapshots', {'group_snapshot': {'group_id': '<group>'}}),
    ('group_snapshot', 'delete'): _on('group_snapshot', 'DELETE'),
}
# Requests of times in which the volume in use had to be left out.
VERSIONS = {('snapshot', 'create'): '3.65', ('volume', 'os-extend'): '3.41'}


# Rows in which the table of the facts is stricter than the original and than we are.
CORRECTED = {('group', 'update name or description'): ['creating', 'available', 'error']}


@functools.cache
def rules() -> dict[tuple[str, str], dict[str, str]]:
    """(resource, operation) -> its row of the table."""
    with TABLE.open() as stream:
        return {(row['resource'], row['operation']): row for row in csv.DictReader(stream)}


def allowed(key: tuple[str, str]) -> list[str]:
    """The statuses from which the table lets an operation start on a plain volume."""
    if key in CORRECTED:
        return CORRECTED[key]
    text = rules()[key]['from_states'].partition(';')[0]
    # What stands in brackets is for another kind of volume; before a mere word in brackets
    # stands a status for that kind only.
    text = re.sub(r' \(\w+(:| also) .*?\)', '', text)
    text = re.sub(r',?[\w-]+ \(\w+\)', '', text).rpartition(': ')[2]
    every = VALUES[REQUESTS[key].kind]
    if text.startswith('any but '):
        return [value for value in every if value not in text.removeprefix('any but ').split(',')]
    if text.startswith('any without error'):
        return [value for value in every if 'error' not in value]
    if text.startswith('as delete') or text.startswith('as attachment'):
        return allowed((key[0], 'delete' if 'delete' in text else 'attachment create'))
    words = [value.split()[0] for value in text.split(',')]
    return [value for value in words if value in every]


class World:
    """One of everything, each in a status in which its operations are allowed.

    :ivar ids: name -> id.
    """

    def __init__(self, api: Api, ids: dict[str, str], daemons: fake.Daemons | None = None) -> None:
        self.api, self.ids, self.daemons = api, ids, daemons
        for service in services_db.list_all(ADMIN):
            services_db.heartbeat(ADMIN, service.id)

    def send(self, request: Request, mv: str = '3.71', headers: dict | None = None) -> Answer:
        text = json.dumps([request.path, request.body])
        for name, ident in self.ids.items():
            text = text.replace(f'<{name}>', ident)
        path, body = json.loads(text)
        return self.api.request(request.method, path, body, mv=mv, headers=headers)

    def put_in(self, request: Request, status: str) -> None:
        """Write the status of the subject of a request."""
        store = STORES[request.kind]
        write = getattr(store, 'overwrite', store.update)
        write(ADMIN, self.ids[request.subject], {'status': status})


def populate(api: Api) -> dict[str, str]:
    """Make one of everything; the ids by name. Daemons have to do their work at once."""
    ids = everybodys(api)
    return ids | belongings(api, ids)


def everybodys(api: Api) -> dict[str, str]:
    """What belongs to no project: services, types, QoS specs."""
    for host in ('node@fake', 'node2@fake'):
        services_db.create(ADMIN, {
            'host': host, 'binary': 'cinder-volume', 'topic': 'cinder-volume',
            'availability_zone': 'nova', 'cluster_name': 'cluster@fake'})
    clusters_db.create(ADMIN, {'name': 'cluster@fake', 'binary': 'cinder-volume'})
    backup_service.register(ADMIN)
    return {
        'default': types_db.default(ADMIN).id,
        'kind': _made(api, 'group_type', '/group_types', name='kind'),
        'other': types_db.create(ADMIN, {'name': 'other', 'is_public': True}).id,
        'private': types_db.create(ADMIN, {'name': 'private', 'is_public': False}).id,
        'qos': qos_specs_db.create(ADMIN, 'qos', 'back-end', {'key1': 'v'})['id']}


def belongings(api: Api, site: dict[str, str]) -> dict[str, str]:
    """What belongs to the project of a client.

    :param site: what everybodys() gave.
    """
    project = api.project
    ids = {'project': project}
    for name in ('volume', 'held', 'growing', 'parent', 'reserved', 'offered'):
        ids[name] = fake.volume(project, name=name)['id']
    ids['snapshot'] = fake.snapshot(project, ids['parent'])['id']
    ids['trashed'] = _trash(volumes_db, fake.volume(project)['id'])
    ids['trashed_snapshot'] = _trash(snapshots_db, fake.snapshot(project, ids['parent'])['id'])
    ids['holding'] = _attach(ids['held'], 'in-use', 'attached')
    ids['attachment'] = _attach(ids['reserved'], 'reserved', 'reserved')
    volumes_db.overwrite(ADMIN, ids['growing'],
                         {'status': 'extending', 'previous_status': 'in-use'})
    volumes_db.set_admin_metadata(ADMIN, ids['growing'], {'extend_new_size': '2'})
    ids['backup'] = backups_db.create(ADMIN, {
        'project_id': project, 'user_id': 'user', 'volume_id': ids['volume'], 'size': 1,
        'status': 'available', 'host': 'keeper', 'availability_zone': 'nova',
        'service': backup_service.DRIVER}).id
    return ids | _groups(api, site) | _transfer(api, ids['offered'])


def _trash(table: Any, ident: str) -> str:
    """Delete a volume or snapshot as a service does whose back end keeps it; return its id."""
    found = table.get(ADMIN, ident)
    with session.writer(ADMIN):
        table.destroy(ADMIN, ident)
        trash_db.put(ADMIN, found, 1, counted=False)
    return ident


def _attach(volume_id: str, status: str, attach_status: str) -> str:
    volumes_db.overwrite(ADMIN, volume_id, {'status': status, 'attach_status': attach_status})
    return attachments_db.create(ADMIN, {
        'volume_id': volume_id, 'instance_uuid': SERVER,
        'attach_status': attach_status, 'attach_mode': 'rw'}).id


def _made(api: Api, key: str, path: str, mv: str = '3.71', **body: Any) -> str:
    answer = api.post(path, {key: body}, mv=mv)
    assert answer.status == 202, answer.body
    return answer.json[key]['id']


def _groups(api: Api, site: dict[str, str]) -> dict[str, str]:
    made = functools.partial(_made, api)
    kind, default = site['kind'], site['default']
    ids = {name: made('group', '/groups', name=name, group_type=kind, volume_types=[default])
           for name in ('group', 'empty')}
    old = {name: made('consistencygroup', '/consistencygroups', '3.0', volume_types='__DEFAULT__')
           for name in ('old', 'old_empty')}
    made('volume', '/volumes', size=1, volume_type=default, consistencygroup_id=old['old'])
    return ids | {
        'cgsnapshot': made('cgsnapshot', '/cgsnapshots', '3.0', consistencygroup_id=old['old']),
        'member': made('volume', '/volumes', size=1, volume_type=default, group_id=ids['group']),
        'group_snapshot': made('group_snapshot', '/group_snapshots', group_id=ids['group']),
        **old}


def _transfer(api: Api, volume_id: str) -> dict[str, str]:
    made = api.post('/volume-transfers', {'transfer': {'volume_id': volume_id}}).json['transfer']
    return {'transfer': made['id'], 'auth_key': made['auth_key']}
