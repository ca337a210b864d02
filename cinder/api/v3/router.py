# SPDX-License-Identifier: Apache-2.0
"""Every URL of the API and its handler. The modules of the resources have the handlers.

Each path exists with and without `/{project_id}` in front, and with `.json` appended.
"""
from cinder import policy
from cinder.api import dispatch, wsgi
from cinder.api.v3 import (
    attachments,
    availability_zones,
    backups,
    capabilities,
    clusters,
    default_types,
    events,
    extensions,
    group_actions,
    group_snapshots,
    group_specs,
    group_types,
    groups,
    hosts,
    limits,
    manage_snapshots,
    manage_volumes,
    messages,
    openapi,
    operations,
    pools,
    qos_specs,
    quota_classes,
    quotas,
    resource_filters,
    services,
    snapshot_actions,
    snapshot_metadata,
    snapshots,
    transfers,
    type_access,
    type_encryption,
    type_extra_specs,
    types,
    volume_actions,
    volume_encryption,
    volume_metadata,
    volume_migrations,
    volumes,
    what_if,
    workers,
)
from cinder.api.v3 import trash as trash_handlers

ROUTES = {
    '/volumes': {'GET': volumes.index, 'POST': volumes.create},
    '/volumes/detail': {'GET': volumes.detail},
    '/volumes/summary': {'GET': volumes.summary},
    '/volumes/{volume_id}': {'GET': volumes.show, 'PUT': volumes.update,
                             'DELETE': volumes.delete},
    '/volumes/{volume_id}/action': {'POST': wsgi.Actions(
        volume_actions.ACTIONS | volume_migrations.ACTIONS | manage_volumes.ACTIONS)},
    '/volumes/{volume_id}/metadata': {
        'GET': volume_metadata.index, 'POST': volume_metadata.merge,
        'PUT': volume_metadata.replace},
    '/volumes/{volume_id}/metadata/{key}': {
        'GET': volume_metadata.show, 'PUT': volume_metadata.update,
        'DELETE': volume_metadata.delete},
    '/volumes/{volume_id}/restore': {'POST': trash_handlers.restore_volume},
    '/volumes/{volume_id}/encryption': {'GET': volume_encryption.index},
    '/volumes/{volume_id}/encryption/{key}': {'GET': volume_encryption.show},

    '/snapshots': {'GET': snapshots.index, 'POST': snapshots.create},
    '/snapshots/detail': {'GET': snapshots.detail},
    '/snapshots/{snapshot_id}': {'GET': snapshots.show, 'PUT': snapshots.update,
                                 'DELETE': snapshots.delete},
    '/snapshots/{snapshot_id}/restore': {'POST': trash_handlers.restore_snapshot},
    '/snapshots/{snapshot_id}/action': {'POST': wsgi.Actions(
        snapshot_actions.ACTIONS | manage_snapshots.ACTIONS)},
    '/snapshots/{snapshot_id}/metadata': {
        'GET': snapshot_metadata.index, 'POST': snapshot_metadata.merge,
        'PUT': snapshot_metadata.replace},
    '/snapshots/{snapshot_id}/metadata/{key}': {
        'GET': snapshot_metadata.show, 'PUT': snapshot_metadata.update,
        'DELETE': snapshot_metadata.delete},

    '/manageable_volumes': {'GET': manage_volumes.index, 'POST': manage_volumes.manage},
    '/manageable_volumes/detail': {'GET': manage_volumes.detail},
    '/os-volume-manage': {'GET': manage_volumes.legacy_index, 'POST': manage_volumes.legacy_manage},
    '/os-volume-manage/detail': {'GET': manage_volumes.legacy_detail},
    '/manageable_snapshots': {'GET': manage_snapshots.index, 'POST': manage_snapshots.manage},
    '/manageable_snapshots/detail': {'GET': manage_snapshots.detail},
    '/os-snapshot-manage': {
        'GET': manage_snapshots.legacy_index, 'POST': manage_snapshots.legacy_manage},
    '/os-snapshot-manage/detail': {'GET': manage_snapshots.legacy_detail},

    '/backups': {'GET': backups.index, 'POST': backups.create},
    '/backups/detail': {'GET': backups.detail},
    '/backups/import_record': {'POST': backups.import_record},
    '/backups/{backup_id}': {'GET': backups.show, 'PUT': backups.update,
                             'DELETE': backups.delete},
    '/backups/{backup_id}/action': {'POST': wsgi.Actions(backups.ACTIONS)},
    '/backups/{backup_id}/export_record': {'GET': backups.export_record},
    '/backups/{backup_id}/restore': {'POST': backups.restore},

    '/attachments': {'GET': attachments.index, 'POST': attachments.create},
    '/attachments/detail': {'GET': attachments.detail},
    '/attachments/{attachment_id}': {'GET': attachments.show, 'PUT': attachments.update,
                                     'DELETE': attachments.delete},
    '/attachments/{attachment_id}/action': {'POST': wsgi.Actions(attachments.ACTIONS)},

    '/volume-transfers': {'GET': transfers.index, 'POST': transfers.create},
    '/volume-transfers/detail': {'GET': transfers.detail},
    '/volume-transfers/{transfer_id}': {'GET': transfers.show, 'DELETE': transfers.delete},
    '/volume-transfers/{transfer_id}/accept': {'POST': transfers.accept},
    '/os-volume-transfer': {'GET': transfers.legacy_index, 'POST': transfers.legacy_create},
    '/os-volume-transfer/detail': {'GET': transfers.legacy_detail},
    '/os-volume-transfer/{transfer_id}': {'GET': transfers.show, 'DELETE': transfers.delete},
    '/os-volume-transfer/{transfer_id}/accept': {'POST': transfers.accept},

    '/types': {'GET': types.index, 'POST': types.create},
    '/types/{type_id}': {'GET': types.show, 'PUT': types.update, 'DELETE': types.delete},
    '/types/{type_id}/action': {'POST': wsgi.Actions(type_access.ACTIONS)},
    '/types/{type_id}/os-volume-type-access': {'GET': type_access.index},
    '/types/{type_id}/extra_specs': {
        'GET': type_extra_specs.index, 'POST': type_extra_specs.create},
    '/types/{type_id}/extra_specs/{key}': {
        'GET': type_extra_specs.show, 'PUT': type_extra_specs.update,
        'DELETE': type_extra_specs.delete},
    '/types/{type_id}/encryption': {
        'GET': type_encryption.index, 'POST': type_encryption.create},
    '/types/{type_id}/encryption/{key}': {
        'GET': type_encryption.show, 'PUT': type_encryption.update,
        'DELETE': type_encryption.delete},
    '/default-types': {'GET': default_types.index},
    '/default-types/{target_project_id}': {
        'GET': default_types.show, 'PUT': default_types.update, 'DELETE': default_types.delete},

    '/qos-specs': {'GET': qos_specs.index, 'POST': qos_specs.create},
    '/qos-specs/{qos_id}': {'GET': qos_specs.show, 'PUT': qos_specs.update,
                            'DELETE': qos_specs.delete},
    '/qos-specs/{qos_id}/delete_keys': {'PUT': qos_specs.delete_keys},
    '/qos-specs/{qos_id}/associations': {'GET': qos_specs.associations},
    '/qos-specs/{qos_id}/associate': {'GET': qos_specs.associate},
    '/qos-specs/{qos_id}/disassociate': {'GET': qos_specs.disassociate},
    '/qos-specs/{qos_id}/disassociate_all': {'GET': qos_specs.disassociate_all},

    '/group_types': {'GET': group_types.index, 'POST': group_types.create},
    '/group_types/{group_type_id}': {'GET': group_types.show, 'PUT': group_types.update,
                                     'DELETE': group_types.delete},
    '/group_types/{group_type_id}/group_specs': {
        'GET': group_specs.index, 'POST': group_specs.create},
    '/group_types/{group_type_id}/group_specs/{key}': {
        'GET': group_specs.show, 'PUT': group_specs.update, 'DELETE': group_specs.delete},

    '/groups': {'GET': groups.index, 'POST': groups.create},
    '/groups/detail': {'GET': groups.detail},
    '/groups/action': {'POST': wsgi.Actions(group_actions.COLLECTION_ACTIONS)},
    '/groups/{group_id}': {'GET': groups.show, 'PUT': groups.update},
    '/groups/{group_id}/action': {'POST': wsgi.Actions(group_actions.ACTIONS)},
    '/consistencygroups': {'GET': groups.legacy_index, 'POST': groups.legacy_create},
    '/consistencygroups/detail': {'GET': groups.legacy_detail},
    '/consistencygroups/create_from_src': {'POST': groups.legacy_create_from_src},
    '/consistencygroups/{consistencygroup_id}': {
        'GET': groups.legacy_show, 'PUT': groups.legacy_update, 'DELETE': groups.legacy_delete},
    '/consistencygroups/{consistencygroup_id}/update': {'PUT': groups.legacy_update_again},
    '/consistencygroups/{consistencygroup_id}/delete': {'POST': groups.legacy_delete},

    '/group_snapshots': {'GET': group_snapshots.index, 'POST': group_snapshots.create},
    '/group_snapshots/detail': {'GET': group_snapshots.detail},
    '/group_snapshots/{group_snapshot_id}': {
        'GET': group_snapshots.show, 'DELETE': group_snapshots.delete},
    '/group_snapshots/{group_snapshot_id}/action': {
        'POST': wsgi.Actions(group_snapshots.ACTIONS)},
    '/cgsnapshots': {'GET': group_snapshots.legacy_index, 'POST': group_snapshots.legacy_create},
    '/cgsnapshots/detail': {'GET': group_snapshots.legacy_detail},
    '/cgsnapshots/{cgsnapshot_id}': {
        'GET': group_snapshots.legacy_show, 'DELETE': group_snapshots.legacy_delete},

    '/os-quota-sets/{target_project_id}': {
        'GET': quotas.show, 'PUT': quotas.update, 'DELETE': quotas.delete},
    '/os-quota-sets/{target_project_id}/defaults': {'GET': quotas.defaults},
    '/os-quota-class-sets/{quota_class_name}': {
        'GET': quota_classes.show, 'PUT': quota_classes.update},
    '/limits': {'GET': limits.index},

    '/events': {'GET': events.index},
    '/messages': {'GET': messages.index},
    '/messages/{message_id}': {'GET': messages.show, 'DELETE': messages.delete},

    '/trash': {'GET': trash_handlers.index},
    '/trash/{resource_id}': {'DELETE': trash_handlers.purge},

    '/operations': {'GET': operations.index},
    '/operations/{operation_id}': {'GET': operations.show, 'DELETE': operations.cancel},

    '/os-services': {'GET': services.index},
    '/os-services/enable': {'PUT': services.enable},
    '/os-services/disable': {'PUT': services.disable},
    '/os-services/disable-log-reason': {'PUT': services.disable_log_reason},
    '/os-services/get-log': {'PUT': services.get_log},
    '/os-services/set-log': {'PUT': services.set_log},
    '/os-services/freeze': {'PUT': services.freeze},
    '/os-services/thaw': {'PUT': services.thaw},
    '/os-services/failover_host': {'PUT': services.failover_host},
    '/os-services/failover': {'PUT': services.failover},
    '/os-hosts': {'GET': hosts.index},
    '/os-hosts/{host_name}': {'GET': hosts.show, 'PUT': hosts.update},
    '/clusters': {'GET': clusters.index},
    '/clusters/detail': {'GET': clusters.detail},
    '/clusters/enable': {'PUT': clusters.enable},
    '/clusters/disable': {'PUT': clusters.disable},
    '/clusters/{cluster_name}': {'GET': clusters.show},
    '/capabilities/{host_name}': {'GET': capabilities.show},
    '/workers/cleanup': {'POST': workers.cleanup},
    '/os-availability-zone': {'GET': availability_zones.index},
    '/scheduler-stats/get_pools': {'GET': pools.get_pools},
    '/scheduler-stats/what-if': {'POST': what_if.ask},

    '/extensions': {'GET': extensions.index},
    '/extensions/{alias}': {'GET': extensions.show},
    '/resource_filters': {'GET': resource_filters.index},
}
ROUTES['/openapi'] = {'GET': openapi.make_handler(ROUTES)}


class APIRouter(dispatch.Application):
    """The application that the paste file refers to."""

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> 'APIRouter':
        # An invalid policy file stops the start, instead of failing the first request.
        policy.enforcer()
        return cls(ROUTES)
