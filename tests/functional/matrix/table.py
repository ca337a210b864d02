# SPDX-License-Identifier: Apache-2.0
"""What may be under way, and what is asked for meanwhile: tables of worlds, operations, requests.

A name in angle brackets is an id of the world, or of what the operation makes.
"""
import json
import re
from typing import Any, NamedTuple

HOST = {'host': 'node', 'ip': '127.0.0.1', 'initiator': 'iqn.1993-08.org.debian:01:node'}
OTHER_HOST = {'host': 'other', 'ip': '127.0.0.1', 'initiator': 'iqn.1993-08.org.debian:01:other'}


class Request(NamedTuple):
    """What a client sends.

    :ivar calls: it waits for the volume service, and so may hear of the storage's trouble.
    :ivar stranger: it comes from another project.
    """

    method: str
    path: str
    body: Any = None
    calls: bool = False
    stranger: bool = False


def _act(kind: str, key: str, value: Any = None, calls: bool = False) -> Request:
    return Request('POST', f'/{kind}s/<{kind}>/action', {key: value}, calls)


def _volume(key: str, value: Any = None, calls: bool = False) -> Request:
    return _act('volume', key, value, calls)


def _new(**values: Any) -> Request:
    return Request('POST', '/volumes', {'volume': values})


REQUESTS: dict[str, Request] = {
    'show': Request('GET', '/volumes/<volume>'),
    'create': _new(size=1),
    'create shared': _new(size=1, volume_type='<shared>'),
    'create from image': _new(size=1, imageRef='<image>'),
    'create secret': _new(size=1, volume_type='<secret>'),
    'create from backup': _new(backup_id='<backup>'),
    'create in group': _new(size=1, volume_type='<default>', group_id='<group>'),
    'clone': _new(source_volid='<volume>'),
    'create from snapshot': _new(snapshot_id='<snapshot>'),
    'update': Request('PUT', '/volumes/<volume>', {'volume': {'name': 'n'}}),
    'metadata': Request('PUT', '/volumes/<volume>/metadata/k', {'meta': {'k': 'v'}}),
    'bootable': _volume('os-set_bootable', {'bootable': True}),
    'readonly': _volume('os-update_readonly_flag', {'readonly': True}),
    'delete': Request('DELETE', '/volumes/<volume>'),
    'force delete': _volume('os-force_delete', {}),
    'cascade delete': Request('DELETE', '/volumes/<volume>?cascade=true'),
    'cascade force delete': Request('DELETE', '/volumes/<volume>?cascade=true&force=true'),
    'unmanage': _volume('os-unmanage', {}),
    'extend': _volume('os-extend', {'new_size': 3}),
    'extend again': _volume('os-extend', {'new_size': 4}),
    'retype': _volume('os-retype', {'new_type': '<other>'}),
    'retype and move': _volume('os-retype', {'new_type': '<elsewhere>',
                                             'migration_policy': 'on-demand'}),
    'migrate': _volume('os-migrate_volume', {'host': 'here@two#two'}),
    'migrate locked': _volume('os-migrate_volume', {'host': 'here@two#two', 'lock_volume': True}),
    'migrate by copying': _volume('os-migrate_volume', {'host': 'here@two#two',
                                                        'force_host_copy': True}),
    'revert': _volume('revert', {'snapshot_id': '<snapshot>'}),
    'upload': _volume('os-volume_upload_image', {'image_name': 'n', 'force': True}),
    'reimage': _volume('os-reimage', {'image_id': '<image>', 'reimage_reserved': True}),
    'reset to available': _volume('os-reset_status', {'status': 'available'}),
    'reset to error': _volume('os-reset_status', {'status': 'error'}),
    'reset as detached': _volume('os-reset_status', {'status': 'available',
                                                     'attach_status': 'detached',
                                                     'migration_status': 'none'}),
    'reset to in-use': _volume('os-reset_status', {'status': 'in-use',
                                                   'attach_status': 'attached'}),
    # ------------------------------------------------------------------------------ attachments
    'reserve': Request('POST', '/attachments', {'attachment': {'volume_uuid': '<volume>'}}),
    'connect': Request('POST', '/attachments', {'attachment': {
        'volume_uuid': '<volume>', 'connector': OTHER_HOST}}, calls=True),
    'attachment update': Request('PUT', '/attachments/<attachment>',
                                 {'attachment': {'connector': HOST}}, calls=True),
    'attachment complete': _act('attachment', 'os-complete'),
    'attachment delete': Request('DELETE', '/attachments/<attachment>', calls=True),
    'os-reserve': _volume('os-reserve'),
    'os-unreserve': _volume('os-unreserve'),
    'os-attach': _volume('os-attach', {'mountpoint': '/dev/vdb', 'host_name': 'h'}),
    'os-detach': _volume('os-detach', {}, calls=True),
    'os-begin_detaching': _volume('os-begin_detaching'),
    'os-roll_detaching': _volume('os-roll_detaching'),
    'os-force_detach': _volume('os-force_detach', {'connector': HOST}, calls=True),
    'os-initialize_connection': _volume('os-initialize_connection', {'connector': HOST},
                                        calls=True),
    'os-terminate_connection': _volume('os-terminate_connection', {'connector': HOST},
                                       calls=True),
    # -------------------------------------------------------------------------------- transfers
    'transfer create': Request('POST', '/volume-transfers', {'transfer': {
        'volume_id': '<volume>'}}),
    'transfer accept': Request('POST', '/volume-transfers/<transfer>/accept',
                               {'accept': {'auth_key': '<auth_key>'}}, stranger=True),
    'transfer delete': Request('DELETE', '/volume-transfers/<transfer>'),
    # -------------------------------------------------------------------------------- snapshots
    'snapshot': Request('POST', '/snapshots', {'snapshot': {'volume_id': '<volume>'}}),
    'snapshot delete': Request('DELETE', '/snapshots/<snapshot>'),
    'snapshot force delete': _act('snapshot', 'os-force_delete', {}),
    'snapshot unmanage': _act('snapshot', 'os-unmanage', {}),
    'snapshot reset to available': _act('snapshot', 'os-reset_status', {'status': 'available'}),
    'snapshot reset to error': _act('snapshot', 'os-reset_status', {'status': 'error'}),
    'snapshot update': Request('PUT', '/snapshots/<snapshot>', {'snapshot': {'name': 'n'}}),
    # ---------------------------------------------------------------------------------- backups
    'backup': Request('POST', '/backups', {'backup': {'volume_id': '<volume>', 'force': True}}),
    'backup of snapshot': Request('POST', '/backups', {'backup': {
        'volume_id': '<volume>', 'snapshot_id': '<snapshot>'}}),
    'backup restore': Request('POST', '/backups/<backup>/restore', {'restore': {
        'volume_id': '<volume>'}}),
    'backup delete': Request('DELETE', '/backups/<backup>'),
    'backup force delete': _act('backup', 'os-force_delete', {}),
    'backup reset to available': _act('backup', 'os-reset_status', {'status': 'available'}),
    'backup reset to error': _act('backup', 'os-reset_status', {'status': 'error'}),
    # ----------------------------------------------------------------------------------- groups
    'group create': Request('POST', '/groups', {'group': {
        'group_type': '<kind>', 'volume_types': ['<default>']}}),
    'group add': Request('PUT', '/groups/<group>', {'group': {'add_volumes': '<outsider>'}}),
    'group remove': Request('PUT', '/groups/<group>', {'group': {'remove_volumes': '<volume>'}}),
    'group delete': _act('group', 'delete', {'delete-volumes': True}),
    'group snapshot': Request('POST', '/group_snapshots', {'group_snapshot': {
        'group_id': '<group>'}}),
    'group copy': Request('POST', '/groups/action', {'create-from-src': {
        'name': 'n', 'source_group_id': '<group>'}}),
    'group reset to available': _act('group', 'reset_status', {'status': 'available'}),
    'group reset to error': _act('group', 'reset_status', {'status': 'error'}),
    'group snapshot delete': Request('DELETE', '/group_snapshots/<group_snapshot>'),
    'group snapshot copy': Request('POST', '/groups/action', {'create-from-src': {
        'name': 'n', 'group_snapshot_id': '<group_snapshot>'}}),
    'group snapshot reset to available': _act('group_snapshot', 'reset_status',
                                              {'status': 'available'}),
    'group snapshot reset to error': _act('group_snapshot', 'reset_status', {'status': 'error'}),
    # ---------------------------------------------------------------------------- what is deleted
    'restore': Request('POST', '/volumes/<trashed>/restore'),
    'trash purge': Request('DELETE', '/trash/<trashed>'),
    'trash force delete': Request('POST', '/volumes/<trashed>/action', {'os-force_delete': {}}),
    'snapshot restore': Request('POST', '/snapshots/<trashed_snapshot>/restore'),
    'trash purge snapshot': Request('DELETE', '/trash/<trashed_snapshot>'),
    'trash force delete snapshot': Request('POST', '/snapshots/<trashed_snapshot>/action',
                                           {'os-force_delete': {}}),
    # ------------------------------------------------------------------- what exists on storage
    'manage': Request('POST', '/manageable_volumes', {'volume': {
        'host': 'here@one#one', 'ref': {'source-name': 'stray'}}}),
    'snapshot manage': Request('POST', '/manageable_snapshots', {'snapshot': {
        'volume_id': '<volume>', 'ref': {'source-name': 'stray'}}}),
}

ONLY_IN_WORLDS: dict[str, Request] = {
    'create kept': _new(size=1, volume_type='<kept>'),
    'create kept secret': _new(size=1, volume_type='<kept_secret>'),
    'group create kept': Request('POST', '/groups', {'group': {
        'group_type': '<kind>', 'volume_types': ['<kept>']}}),
    'create kept in group': _new(size=1, volume_type='<kept>', group_id='<group>'),
    'trash': Request('DELETE', '/volumes/<trashed>'),
    'trash all': Request('DELETE', '/volumes/<trashed>?cascade=true'),
    'trash snapshot': Request('DELETE', '/snapshots/<trashed_snapshot>'),
    'snapshot of trashed': Request('POST', '/snapshots', {'snapshot': {
        'volume_id': '<trashed>'}}),
    'manage nothing': Request('POST', '/manageable_volumes', {'volume': {
        'host': 'here@one#one', 'ref': {'source-name': 'nothing'}}}),
    'connect another host': Request('POST', '/attachments', {'attachment': {
        'volume_uuid': '<volume>', 'connector': HOST}}),
    'reserve for a server': Request('POST', '/attachments', {'attachment': {
        'volume_uuid': '<volume>', 'instance_uuid': '5e12e12a-0000-4000-8000-000000000001'}}),
}
# World -> the requests that make it; 'REQUEST as NAME, NAME' has the id of its answer under other
# names. What is called 'trashed' is in the trash, or comes there when it is deleted.
# Before each, what was begun is done.
_PLAIN = ('create',)
_HELD = (*_PLAIN, 'reserve', 'attachment update', 'attachment complete')
_PARENT = (*_PLAIN, 'snapshot', 'snapshot')
_KEPT = ('create kept as volume, trashed',)
_GROUP = ('group create', 'create in group', 'create in group')
WORLDS: dict[str, tuple[str, ...]] = {
    'empty': (),
    'plain': _PLAIN,
    'reserved': (*_PLAIN, 'reserve'),
    'connecting': (*_PLAIN, 'connect'),
    'held': _HELD,
    'held as ever': (*_PLAIN, 'os-reserve', 'os-initialize_connection', 'os-attach'),
    'parent': _PARENT,
    'held parent': (*_PARENT, 'reserve', 'attachment update', 'attachment complete'),
    'shared': ('create shared', 'connect', 'attachment complete',
               'connect another host as another'),
    'offered': (*_PLAIN, 'transfer create'),
    'offered parent': (*_PARENT, 'transfer create'),
    'group': _GROUP,
    'group and outsider': ('create as outsider', *_GROUP),
    'group reserved': (*_GROUP, 'reserve'),
    'group snapshot': (*_GROUP, 'group snapshot'),
    'served': (*_PLAIN, 'reserve for a server', 'attachment update', 'attachment complete'),
    'secret': ('create secret',),
    'secret parent': ('create secret', 'snapshot'),
    'backed up': (*_PLAIN, 'backup'),
    'held and backed up': (*_HELD, 'backup'),
    'strange': ('manage nothing',),
    'kept': _KEPT,
    'kept parent': (*_KEPT, 'snapshot as snapshot, trashed_snapshot'),
    'kept group': ('group create kept', 'create kept in group',
                   'create kept in group as volume, trashed'),
    'trashed': ('create kept as trashed', 'trash'),
    'trashed parent': ('create kept as trashed', 'snapshot of trashed as trashed_snapshot',
                       'trash all'),
    'trashed snapshot': (*_KEPT, 'snapshot as trashed_snapshot', 'trash snapshot'),
    'kept secret': ('create kept secret as volume, trashed',),
    'trashed secret': ('create kept secret as trashed', 'trash'),
}


class Operation(NamedTuple):
    """What is under way.

    :ivar request: key of REQUESTS.
    :ivar subject: 'old': what the world calls a volume; 'new': what the operation makes.
    """

    world: str
    request: str
    subject: str = 'old'

    def __str__(self) -> str:
        return f'{self.request} [{self.world}, {self.subject}]'


OPERATIONS: tuple[Operation, ...] = (
    Operation('empty', 'create', 'new'),
    Operation('group', 'create in group', 'new'),
    Operation('empty', 'create from image', 'new'),
    Operation('plain', 'clone'), Operation('plain', 'clone', 'new'),
    Operation('held', 'clone'),
    Operation('parent', 'create from snapshot'), Operation('parent', 'create from snapshot', 'new'),
    Operation('plain', 'delete'), Operation('plain', 'force delete'),
    Operation('reserved', 'force delete'), Operation('offered', 'force delete'),
    Operation('parent', 'cascade delete'),
    Operation('parent', 'cascade force delete'),
    Operation('plain', 'extend'), Operation('held', 'extend'), Operation('parent', 'extend'),
    Operation('held as ever', 'extend'),
    Operation('shared', 'extend'),
    Operation('plain', 'retype'), Operation('held', 'retype'),
    Operation('plain', 'retype and move'),
    Operation('plain', 'migrate'), Operation('plain', 'migrate locked'),
    Operation('plain', 'migrate by copying'),
    Operation('served', 'migrate'), Operation('served', 'retype and move'),
    Operation('parent', 'revert'),
    Operation('plain', 'upload'), Operation('held', 'upload'),
    Operation('plain', 'reimage'), Operation('reserved', 'reimage'),
    Operation('empty', 'manage', 'new'), Operation('plain', 'unmanage'),
    Operation('strange', 'delete'),
    Operation('plain', 'snapshot'), Operation('held', 'snapshot'),
    Operation('parent', 'snapshot delete'), Operation('held parent', 'snapshot delete'),
    Operation('parent', 'snapshot force delete'), Operation('offered parent', 'snapshot delete'),
    Operation('plain', 'snapshot manage'), Operation('parent', 'snapshot unmanage'),
    Operation('empty', 'group create', 'new'),
    Operation('group and outsider', 'group add'), Operation('group', 'group remove'),
    Operation('group', 'group delete'), Operation('group reserved', 'group delete'),
    Operation('group', 'group copy'), Operation('group', 'group copy', 'new'),
    Operation('group', 'group snapshot'),
    Operation('group snapshot', 'group snapshot delete'),
    Operation('group snapshot', 'group snapshot copy'),
    Operation('empty', 'create secret', 'new'),
    Operation('secret', 'clone'), Operation('secret', 'clone', 'new'),
    Operation('secret parent', 'create from snapshot', 'new'),
    Operation('secret', 'delete'), Operation('secret parent', 'cascade delete'),
    Operation('plain', 'backup'), Operation('held', 'backup'),
    Operation('parent', 'backup of snapshot'),
    Operation('backed up', 'backup restore'), Operation('backed up', 'backup delete'),
    Operation('held and backed up', 'create from backup', 'new'),
    Operation('kept', 'delete'), Operation('kept', 'force delete'),
    Operation('kept parent', 'cascade delete'), Operation('kept parent', 'snapshot delete'),
    Operation('kept parent', 'snapshot force delete'), Operation('kept group', 'group delete'),
    Operation('kept secret', 'delete'),
    Operation('trashed', 'restore', 'new'), Operation('trashed parent', 'restore', 'new'),
    Operation('trashed secret', 'restore', 'new'),
    Operation('trashed snapshot', 'snapshot restore', 'new'),
    Operation('trashed', 'trash purge'), Operation('trashed parent', 'trash purge'),
    Operation('trashed secret', 'trash purge'), Operation('trashed', 'trash force delete'),
    Operation('trashed parent', 'trash purge snapshot'),
    Operation('trashed snapshot', 'trash purge snapshot'),
    Operation('trashed snapshot', 'delete'), Operation('trashed snapshot', 'force delete'),
    Operation('trashed snapshot', 'migrate'),
    # Calls: their sender waits.
    Operation('plain', 'connect'), Operation('reserved', 'attachment update'),
    Operation('held', 'attachment update'),
    Operation('held', 'attachment delete'), Operation('connecting', 'attachment delete'),
    Operation('shared', 'attachment delete'), Operation('shared', 'connect'),
    Operation('plain', 'os-initialize_connection'),
    Operation('held as ever', 'os-terminate_connection'),
    Operation('held', 'os-force_detach'),
)
# Pairs that found a fault, which stay to be played each time: the operation as text, the step at
# which it is held, the so-manieth time, the request, the trouble.
FAULTS: tuple[tuple[str, str, int, str, str], ...] = (
    ('cascade delete [parent, old]', 'driver.delete_snapshot:before', 1, 'reset to error',
     'breaks'),
    ('cascade delete [parent, old]', 'driver.delete_snapshot:before', 2, 'reset to available',
     'does not answer'),
    ('group delete [group, old]', 'driver.delete_volume:before', 2, 'group copy', 'breaks'),
    ('group delete [group, old]', 'driver.remove_export:before', 2, 'os-initialize_connection',
     'rest breaks'),
    ('delete [plain, old]', 'driver.remove_export:before', 1, 'os-initialize_connection',
     'rest breaks'),
    ('group remove [group, old]', 'group.update:execute:claim:after', 1, 'group delete', ''),
    ('group snapshot delete [group snapshot, old]', 'driver.delete_snapshot:before', 2,
     'group create', 'breaks'),
    ('migrate [plain, old]', 'driver.delete_volume:before', 1, 'os-unreserve', 'is busy'),
    ('force delete [reserved, old]', 'driver.delete_volume:before', 1, 'os-force_detach',
     'breaks'),
    ('attachment update [reserved, old]', 'driver.create_export:before', 1,
     'os-roll_detaching', 'breaks'),
    ('connect [plain, old]', 'driver.create_export:before', 1, 'attachment complete',
     'rest breaks'),
    ('connect [plain, old]', 'driver.initialize_connection:before', 1, 'attachment complete',
     'breaks'),
    ('attachment update [held, old]', 'driver.initialize_connection:before', 1,
     'os-roll_detaching', 'breaks'),
    ('attachment update [reserved, old]', 'driver.create_export:before', 1, 'transfer create',
     'rest breaks'),
    ('revert [parent, old]', 'driver.revert_to_snapshot:before', 1, 'metadata', 'breaks'),
    ('revert [parent, old]', 'driver.revert_to_snapshot:before', 1, 'snapshot update',
     'does not answer'),
    ('upload [held, old]', 'message.upload_volume', 1, 'reset to error', ''),
    ('upload [plain, old]', 'message.upload_volume', 1, 'force delete', ''),
    ('upload [plain, old]', 'message.upload_volume', 1, 'cascade force delete', 'lost'),
    ('reimage [reserved, old]', 'message.reimage_volume', 1, 'reset as detached', ''),
    ('manage [empty, new]', 'driver.manage_existing:after', 1, 'reset to available',
     'does not answer'),
    ('create in group [group, new]', 'volume.create:schedule:commit:before', 1,
     'reset to available', ''),
    ('group create [empty, new]', 'group.create:schedule:commit:before', 1,
     'group reset to available', ''),
    ('create [empty, new]', 'driver.create_volume:before', 1, 'reset to error', 'breaks'),
    ('delete [strange, old]', 'message.forget_volume', 1, 'snapshot manage', 'lost'),
    ('delete [strange, old]', 'message.forget_volume', 1, 'os-initialize_connection', ''),
    ('delete [plain, old]', 'driver.delete_volume:before', 1, 'os-initialize_connection', ''),
    ('migrate locked [plain, old]', 'message.migrate_volume', 1, 'reset to available', 'lost'),
    ('migrate locked [plain, old]', 'message.migrate_volume', 1, 'reset to error', 'lost'),
    ('backup restore [backed up, old]', 'message.restore_backup', 1, 'backup reset to error', ''),
    ('migrate [served, old]', 'server.copy:before', 1, 'extend', ''),
    ('migrate [served, old]', 'server.copy:before', 1, 'snapshot', ''),
    ('migrate [served, old]', 'server.copy:before', 1, 'attachment delete', 'breaks'),
    ('migrate [served, old]', 'server.copy:before', 1, 'reset as detached', ''),
    ('retype and move [served, old]', 'server.copy:before', 1, 'snapshot manage', ''),
    ('retype and move [served, old]', 'volume.migrate:target:before', 1, 'snapshot manage', ''),
    ('group delete [group, old]', 'driver.delete_volume:after', 1, 'os-initialize_connection', ''),
    ('group delete [group, old]', 'driver.remove_export:after', 2, 'os-initialize_connection', ''),
    ('force delete [trashed snapshot, old]', 'driver.purge_trashed_volume:before', 1, 'update',
     'is busy'),
    ('snapshot force delete [kept parent, old]', 'driver.purge_trashed_snapshot:after', 1,
     'cascade delete', ''),
    ('snapshot force delete [kept parent, old]', 'driver.delete_snapshot:after', 1,
     'cascade delete', 'does not answer'),
    ('snapshot delete [kept parent, old]', 'snapshot.delete:execute:claim:after', 1,
     'cascade force delete', ''),
    ('restore [trashed, new]', 'driver.restore_trashed_volume:before', 1, 'unmanage', 'broke'),
    ('restore [trashed parent, new]', 'message.restore_volume', 1, 'retype', 'lost'),
    ('restore [trashed secret, new]', 'message.restore_volume', 1, 'cascade force delete', ''),
    ('delete [kept secret, old]', 'driver.trash_volume:before', 1, 'trash force delete',
     'rest breaks'),
)
RESETS = frozenset(name for name in REQUESTS if 'reset' in name)
# Who was let in by these has no attachment; the client ends it.
LEGACY = frozenset(('os-initialize_connection', 'os-attach', 'os-terminate_connection',
                    'os-reserve'))


def fill(request: Request, ids: dict[str, str]) -> tuple[str, str, Any]:
    """Method, path and body with ids in place of names.

    :raises KeyError: there is nothing of a name.
    """
    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put(each) for key, each in value.items()}
        if isinstance(value, list):
            return [put(each) for each in value]
        if not isinstance(value, str) or '<' not in value:
            return value
        before, _, rest = value.partition('<')
        name, _, after = rest.partition('>')
        return f'{before}{ids[name]}{after}'
    return request.method, put(request.path), put(request.body)


def names_in(request: Request) -> set[str]:
    """The names that fill() replaces."""
    return set(re.findall(r'<(\w+)>', json.dumps([request.path, request.body])))
