# SPDX-License-Identifier: Apache-2.0
"""What a client may send to each operation of the API, with places for the ids of things.

`<volume>` stands for the thing whose owner is looked at, `{volume}` for one of the caller's own.
"""
from typing import Any, NamedTuple

from cinder.api import openapi
from cinder.api.v3 import router

# Placeholder of a path -> name of a thing, see tests/api/verbs.py.
NAMES = {
    'volume_id': '<volume>', 'snapshot_id': '<snapshot>', 'backup_id': '<backup>',
    'attachment_id': '<attachment>', 'transfer_id': '<transfer>', 'group_id': '<group>',
    'consistencygroup_id': '<old>', 'group_snapshot_id': '<group_snapshot>',
    'cgsnapshot_id': '<cgsnapshot>', 'message_id': '<message>', 'operation_id': '<operation>',
    'resource_id': '<trashed>',
    'type_id': '<private>',
    'qos_id': '{qos}', 'group_type_id': '{kind}', 'target_project_id': '<project>',
    'host_name': 'node@fake', 'cluster_name': 'cluster@fake', 'quota_class_name': 'default',
    'alias': 'os-services', 'key': 'k',
}
# These things belong to projects: whoever asks for another's gets 404.
OWNED = frozenset(('<volume>', '<snapshot>', '<backup>', '<attachment>', '<transfer>', '<group>',
                   '<old>', '<group_snapshot>', '<cgsnapshot>', '<message>', '<operation>',
                   '<trashed>', '<trashed_snapshot>',
                   '<held>', '<member>', '<offered>', '<parent>', '<growing>', '<reserved>',
                   '<private>', '<empty>', '<old_empty>'))


class Ask(NamedTuple):
    """A request.

    :ivar each: the operation.
    :ivar path, body: with places for ids.
    :ivar first: the policy is asked before the thing is looked for.
    :ivar hides: status for a thing that the caller does not see.
    :ivar succeeds: whether it does for whoever may, in the world of the tests.
    """

    each: openapi.Operation
    path: str
    body: Any = None
    first: bool = False
    hides: int = 404
    succeeds: bool = True


def _row(body: Any = None, *, first: bool = False, hides: int = 404, succeeds: bool = True,
         query: str = '', **names: str) -> dict[str, Any]:
    return {'body': body, 'first': first, 'hides': hides, 'succeeds': succeeds, 'query': query,
            'names': names}


_CONNECTOR = {'host': 'node', 'initiator': 'iqn.1993-08.org.debian:01:x'}
_META = {'metadata': {'k': 'v'}}
_COPY = {'name': 'n'}


def _on(key: str, value: Any = None, **row: Any) -> tuple[tuple, list[dict]]:
    """An action of a volume."""
    return ('POST', '/volumes/{volume_id}/action', key), [_row({key: value}, **row)]


def _transfers(url: str) -> dict[tuple, list[dict]]:
    accept = ('POST', f'{url}/{{transfer_id}}/accept', None)
    return {
        ('POST', url, None): [_row({'transfer': {'volume_id': '<volume>'}})],
        # With the right key anybody may have the volume; this one is wrong.
        accept: [_row({'accept': {'auth_key': 'wrong'}}, first=True, succeeds=False)]}


def _manageable(url: str, what: str, body: dict) -> dict[tuple, list[dict]]:
    where = {'query': '?host=node@fake', 'succeeds': False}
    return {('GET', url, None): [_row(**where)], ('GET', f'{url}/detail', None): [_row(**where)],
            ('POST', url, None): [_row({what: body})]}


_VOLUME = {'ref': {'source-name': 'x'}, 'host': 'node@fake#pool'}
_SNAPSHOT = {'ref': {'source-name': 'x'}, 'volume_id': '<volume>'}
_CG, _GROUP = '/consistencygroups', '/groups/{group_id}/action'
_NEVER = {'succeeds': False}
# (method, path, action) -> rows; operations that are not here need neither body nor query.
ROWS: dict[tuple, list[dict]] = {
    ('POST', '/volumes', None): [
        _row({'volume': {'size': 1}}),
        *(_row({'volume': {key: name, 'size': 1}}, **row) for key, name, row in (
            ('source_volid', '<volume>', {}), ('snapshot_id', '<snapshot>', {}),
            ('backup_id', '<backup>', {}), ('volume_type', '<private>', {}),
            ('group_id', '<group>', _NEVER), ('consistencygroup_id', '<old>', _NEVER)))],
    ('PUT', '/volumes/{volume_id}', None): [_row({'volume': {'name': 'n'}})],
    ('DELETE', '/volumes/{volume_id}', None): [_row()],
    **dict([
        _on('os-attach', {'mountpoint': '/dev/vdb', 'host_name': 'h'}),
        _on('os-detach', {}), _on('os-force_detach', {}), _on('os-reserve'), _on('os-unreserve'),
        _on('os-begin_detaching', volume_id='<held>'), _on('os-roll_detaching'),
        _on('os-initialize_connection', {'connector': _CONNECTOR}),
        _on('os-terminate_connection', {'connector': _CONNECTOR}),
        _on('os-extend', {'new_size': 2}),
        _on('os-extend_volume_completion', {}, volume_id='<growing>'),
        _on('revert', {'snapshot_id': '{snapshot}'}, volume_id='<parent>'),
        _on('os-retype', {'new_type': 'other'}),
        _on('os-volume_upload_image', {'image_name': 'n'}, **_NEVER),
        # The image is what is not found.
        _on('os-reimage', {'image_id': '00000000-0000-4000-8000-000000000009'}, **_NEVER),
        _on('os-update_readonly_flag', {'readonly': True}), _on('os-set_bootable',
                                                                {'bootable': True}),
        _on('os-reset_status', {'status': 'error'}), _on('os-force_delete', {}),
        _on('os-set_image_metadata', {'metadata': {'k': 'v'}}), _on('os-show_image_metadata'),
        _on('os-unset_image_metadata', {'key': 'k'}, **_NEVER),
        _on('os-migrate_volume', {'host': 'node2@fake#pool'}),
        _on('os-migrate_volume_completion', {'new_volume': '{reserved}'}),
        _on('os-unmanage', {})]),
    ('POST', '/volumes/{volume_id}/metadata', None): [_row(_META)],
    ('PUT', '/volumes/{volume_id}/metadata', None): [_row(_META)],
    ('GET', '/volumes/{volume_id}/metadata/{key}', None): [_row()],
    ('PUT', '/volumes/{volume_id}/metadata/{key}', None): [_row({'meta': {'k': 'v'}})],
    ('GET', '/volumes/{volume_id}/encryption/{key}', None): [_row(key='encryption_key_id')],
    ('POST', '/volumes/{volume_id}/restore', None): [_row({}, volume_id='<trashed>')],
    ('POST', '/snapshots/{snapshot_id}/restore', None): [
        _row({}, snapshot_id='<trashed_snapshot>')],
    ('POST', '/snapshots', None): [_row({'snapshot': {'volume_id': '<volume>'}})],
    ('PUT', '/snapshots/{snapshot_id}', None): [_row({'snapshot': {'name': 'n'}})],
    ('POST', '/snapshots/{snapshot_id}/action', 'os-reset_status'): [
        _row({'os-reset_status': {'status': 'error'}})],
    ('POST', '/snapshots/{snapshot_id}/action', 'os-force_delete'): [_row({'os-force_delete': {}})],
    ('POST', '/snapshots/{snapshot_id}/action', 'os-update_snapshot_status'): [
        _row({'os-update_snapshot_status': {'status': 'available'}}, **_NEVER)],
    ('POST', '/snapshots/{snapshot_id}/action', 'os-unmanage'): [_row({'os-unmanage': {}})],
    ('POST', '/snapshots/{snapshot_id}/metadata', None): [_row(_META)],
    ('PUT', '/snapshots/{snapshot_id}/metadata', None): [_row(_META)],
    ('PUT', '/snapshots/{snapshot_id}/metadata/{key}', None): [_row({'meta': {'k': 'v'}})],
    **_manageable('/manageable_volumes', 'volume', _VOLUME),
    **_manageable('/os-volume-manage', 'volume', _VOLUME),
    **_manageable('/manageable_snapshots', 'snapshot', _SNAPSHOT),
    **_manageable('/os-snapshot-manage', 'snapshot', _SNAPSHOT),
    ('POST', '/backups', None): [
        _row({'backup': {'volume_id': '<volume>'}}),
        _row({'backup': {'volume_id': '{parent}', 'snapshot_id': '<snapshot>'}}, first=True)],
    ('POST', '/backups/import_record', None): [
        _row({'backup-record': {'backup_service': 's', 'backup_url': 'e30='}}, **_NEVER)],
    ('PUT', '/backups/{backup_id}', None): [_row({'backup': {'name': 'n'}})],
    ('POST', '/backups/{backup_id}/action', 'os-reset_status'): [
        _row({'os-reset_status': {'status': 'error'}})],
    ('POST', '/backups/{backup_id}/action', 'os-force_delete'): [_row({'os-force_delete': {}})],
    ('POST', '/backups/{backup_id}/restore', None): [
        _row({'restore': {}}),
        _row({'restore': {'volume_id': '<volume>'}}, first=True, backup_id='{backup}')],
    ('POST', '/attachments', None): [_row({'attachment': {'volume_uuid': '<volume>'}})],
    ('PUT', '/attachments/{attachment_id}', None): [
        _row({'attachment': {'connector': _CONNECTOR}})],
    # A server uses it, so this is for services; see tests/api/test_detaching.py.
    # A mere reservation.
    ('DELETE', '/attachments/{attachment_id}', None): [_row()],
    ('POST', '/attachments/{attachment_id}/action', 'os-complete'): [_row({'os-complete': {}})],
    **_transfers('/volume-transfers'), **_transfers('/os-volume-transfer'),
    ('POST', '/types', None): [_row({'volume_type': {'name': 'new'}})],
    ('PUT', '/types/{type_id}', None): [_row({'volume_type': {'name': 'new'}}, first=True)],
    ('DELETE', '/types/{type_id}', None): [_row(first=True)],
    ('POST', '/types/{type_id}/action', 'addProjectAccess'): [
        _row({'addProjectAccess': {'project': 'somebody'}}, first=True)],
    ('POST', '/types/{type_id}/action', 'removeProjectAccess'): [
        _row({'removeProjectAccess': {'project': '{project}'}}, first=True)],
    ('GET', '/types/{type_id}/os-volume-type-access', None): [_row(first=True)],
    ('POST', '/types/{type_id}/extra_specs', None): [
        _row({'extra_specs': {'k': 'v'}}, first=True)],
    # The key is one that users do not see.
    ('GET', '/types/{type_id}/extra_specs/{key}', None): [_row(**_NEVER)],
    ('PUT', '/types/{type_id}/extra_specs/{key}', None): [_row({'k': 'v'}, first=True)],
    ('DELETE', '/types/{type_id}/extra_specs/{key}', None): [_row(first=True, **_NEVER)],
    ('GET', '/types/{type_id}/encryption', None): [_row(first=True)],
    ('POST', '/types/{type_id}/encryption', None): [_row(
        {'encryption': {'provider': 'luks', 'control_location': 'front-end'}}, first=True)],
    ('GET', '/types/{type_id}/encryption/{key}', None): [_row(first=True, **_NEVER)],
    ('PUT', '/types/{type_id}/encryption/{key}', None): [
        _row({'encryption': {'cipher': 'x'}}, first=True, **_NEVER)],
    ('DELETE', '/types/{type_id}/encryption/{key}', None): [_row(first=True, **_NEVER)],
    # Without an identity service to ask about the project.
    ('GET', '/events', None): [_row(query='?after=0'), _row(query='?after=0&all_tenants=1')],
    ('GET', '/default-types/{target_project_id}', None): [_row(**_NEVER)],
    ('PUT', '/default-types/{target_project_id}', None): [
        _row({'default_type': {'volume_type': 'other'}}, **_NEVER)],
    ('DELETE', '/default-types/{target_project_id}', None): [_row(**_NEVER)],
    ('POST', '/qos-specs', None): [_row({'qos_specs': {'name': 'new'}})],
    ('PUT', '/qos-specs/{qos_id}', None): [_row({'qos_specs': {'k': 'v'}})],
    ('PUT', '/qos-specs/{qos_id}/delete_keys', None): [_row({'keys': ['key1']})],
    ('GET', '/qos-specs/{qos_id}/associate', None): [
        _row(query='?vol_type_id={other}')],
    ('GET', '/qos-specs/{qos_id}/disassociate', None): [_row(query='?vol_type_id={other}')],
    ('POST', '/group_types', None): [_row({'group_type': {'name': 'new'}})],
    ('PUT', '/group_types/{group_type_id}', None): [_row({'group_type': {'name': 'new'}})],
    ('DELETE', '/group_types/{group_type_id}', None): [_row(**_NEVER)],
    ('POST', '/group_types/{group_type_id}/group_specs', None): [
        _row({'group_specs': {'k': 'v'}})],
    ('GET', '/group_types/{group_type_id}/group_specs/{key}', None): [_row(**_NEVER)],
    ('PUT', '/group_types/{group_type_id}/group_specs/{key}', None): [_row({'k': 'v'})],
    ('DELETE', '/group_types/{group_type_id}/group_specs/{key}', None): [_row(**_NEVER)],
    ('POST', '/groups', None): [
        _row({'group': {'group_type': '{kind}', 'volume_types': ['{default}']}}),
        _row({'group': {'group_type': '{kind}', 'volume_types': ['<private>']}}, first=True)],
    ('POST', '/groups/action', 'create-from-src'): [
        _row({'create-from-src': {'source_group_id': '<group>'} | _COPY}, first=True),
        _row({'create-from-src': {'group_snapshot_id': '<group_snapshot>'} | _COPY}, first=True)],
    ('PUT', '/groups/{group_id}', None): [
        _row({'group': {'name': 'n'}}),
        _row({'group': {'add_volumes': '<volume>'}}, first=True, hides=400, group_id='{group}'),
        _row({'group': {'remove_volumes': '<member>'}}, first=True, hides=400,
             group_id='{group}')],
    ('POST', _GROUP, 'delete'): [_row({'delete': {'delete-volumes': False}}, group_id='<empty>')],
    ('POST', _GROUP, 'reset_status'): [_row({'reset_status': {'status': 'error'}})],
    **{('POST', _GROUP, key): [_row({key: {}}, **_NEVER)] for key in (
        'enable_replication', 'disable_replication', 'failover_replication',
        'list_replication_targets')},
    ('POST', _CG, None): [_row({'consistencygroup': {'volume_types': '__DEFAULT__'}}),
                          _row({'consistencygroup': {'volume_types': '<private>'}}, first=True)],
    ('POST', f'{_CG}/create_from_src', None): [
        _row({'consistencygroup-from-src': {'source_cgid': '<old>'} | _COPY}, first=True),
        _row({'consistencygroup-from-src': {'cgsnapshot_id': '<cgsnapshot>'} | _COPY},
             first=True)],
    ('PUT', f'{_CG}/{{consistencygroup_id}}', None): [_row({'consistencygroup': {'name': 'n'}})],
    ('DELETE', f'{_CG}/{{consistencygroup_id}}', None): [_row(consistencygroup_id='<old_empty>')],
    ('PUT', f'{_CG}/{{consistencygroup_id}}/update', None): [
        _row({'consistencygroup': {'name': 'n'}}),
        _row({'consistencygroup': {'add_volumes': '<volume>'}}, first=True, hides=400,
             consistencygroup_id='{old}')],
    ('POST', f'{_CG}/{{consistencygroup_id}}/delete', None): [
        _row({'consistencygroup': {}}, consistencygroup_id='<old_empty>')],
    ('POST', '/group_snapshots', None): [_row({'group_snapshot': {'group_id': '<group>'}})],
    ('POST', '/group_snapshots/{group_snapshot_id}/action', 'reset_status'): [
        _row({'reset_status': {'status': 'error'}})],
    ('POST', '/cgsnapshots', None): [_row({'cgsnapshot': {'consistencygroup_id': '<old>'}})],
    ('PUT', '/os-quota-sets/{target_project_id}', None): [_row({'quota_set': {'volumes': 50}})],
    ('PUT', '/os-quota-class-sets/{quota_class_name}', None): [
        _row({'quota_class_set': {'volumes': 50}})],
    **{('PUT', f'/os-services/{verb}', None): [_row(body, succeeds=good)] for verb, body, good in (
        ('enable', {'host': 'node@fake', 'binary': 'cinder-volume'}, True),
        ('disable', {'host': 'node@fake', 'binary': 'cinder-volume'}, True),
        ('disable-log-reason', {'host': 'node@fake', 'binary': 'cinder-volume',
                                'disabled_reason': 'r'}, True),
        ('get-log', {}, True), ('set-log', {'level': 'INFO', 'prefix': 'no.such.logger'}, True),
        ('freeze', {'host': 'node@fake'}, True), ('thaw', {'host': 'node@fake'}, False),
        ('failover_host', {'host': 'node@fake'}, False), ('failover', {'host': 'node@fake'},
                                                          False))},
    ('PUT', '/os-hosts/{host_name}', None): [_row({'status': 'disable'})],
    ('PUT', '/clusters/enable', None): [_row({'name': 'cluster@fake'})],
    ('PUT', '/clusters/disable', None): [_row({'name': 'cluster@fake'})],
    ('GET', '/capabilities/{host_name}', None): [_row(**_NEVER)],
    ('GET', '/scheduler-stats/get_pools', None): [_row(**_NEVER)],
    ('POST', '/scheduler-stats/what-if', None): [_row({'volume': {'size': 1}}, **_NEVER)],
    ('POST', '/workers/cleanup', None): [_row({})],
}


def of(each: openapi.Operation) -> list[Ask]:
    """The requests of an operation."""
    made = []
    for row in ROWS.get((each.method, each.path, each.action), [_row()]):
        path = each.path + row['query']
        for placeholder, name in (NAMES | row['names']).items():
            path = path.replace(f'{{{placeholder}}}', name)
        if each.spec.schemas and not each.spec.optional and row['body'] is None:
            raise AssertionError(f'{each.method} {each.path} {each.action} has no row')
        made.append(Ask(each, path, row['body'], row['first'], row['hides'], row['succeeds']))
    return made


OPERATIONS = list(openapi.list_operations(router.ROUTES))
