# SPDX-License-Identifier: Apache-2.0
"""Options of the original, and of files of deployment tools, that are not read here: what becomes
of each. unknown_options.py lists those that a configuration has, once at the start."""
from collections.abc import Iterator, Mapping, Sequence

from cinder.conf import config_files
from cinder.conf.problem import Problem

# What is said of a kind of options.
NOTHING = 'These options do nothing here and can be removed'
RENAMED = 'These options do nothing here; other options do the same'
REFUSED = 'These options ask for something that does not exist here'
KINDS = (RENAMED, REFUSED, NOTHING)

_GCS = 'there is no backup driver for Google Cloud Storage'
_NFS = 'there is no NFS driver for volumes'
_CREDENTIALS = 'set it in the sections of the services that are called: [nova], [glance]'
_CLASS = 'the classes of the API cannot be replaced'
# Option -> what it asks for that does not exist; unless its value is one that asks for nothing.
_REFUSED: Mapping[str, str] = {
    'lvm_share_target': 'each volume has a target of its own',
    'nas_host': _NFS, 'nas_share_path': _NFS, 'nfs_shares_config': _NFS,
    'volume_copy_blkio_cgroup_name': 'copies keep volume_copy_bps_limit without a control group',
}
_HARMLESS = frozenset(('', 'false', 'no', '0', 'off', 'none'))
# Option -> why no other class can be named than the default of the original.
_CLASSES: Mapping[str, tuple[str, str]] = {
    'quota_driver': ('cinder.quota.DbQuotaDriver', 'quotas are counted, and not nested'),
    **{f'{name}_api_class': (f'cinder.{name}.{module}', _CLASS) for name, module in (
        ('backup', 'api.API'), ('compute', 'nova.API'), ('consistencygroup', 'api.API'),
        ('group', 'api.API'), ('transfer', 'api.API'), ('volume', 'api.API'))},
}
# Option -> what does the same.
_RENAMED: Mapping[str, str] = {
    'host': 'set backend_host', 'api_workers': 'set osapi_volume_workers',
    'iscsi_helper': 'set target_helper', 'iscsi_ip_address': 'set target_ip_address',
    'iscsi_port': 'set target_port', 'iscsi_protocol': 'set target_protocol',
    'iscsi_target_prefix': 'set target_prefix',
    'glance_host': 'set glance_api_servers', 'glance_port': 'set glance_api_servers',
    'notification_driver': 'set driver in [oslo_messaging_notifications]',
    'auth_uri': 'set www_authenticate_uri',
    'use_forwarded_for': 'set [oslo_middleware] enable_proxy_headers_parsing',
    'osapi_volume_base_url': 'set public_endpoint',
    'os_region_name': 'set region_name in [nova] and [glance]',
    'nova_catalog_info': 'set interface in [nova]',
    'nova_catalog_admin_info': 'set interface in [nova]',
    'auto_calc_max_oversubscription_ratio': 'set max_over_subscription_ratio = auto',
    **dict.fromkeys(('cafile', 'certfile', 'collect_timing', 'insecure', 'keyfile',
                     'timeout', 'tls_ciphers', 'tls_min_version'), _CREDENTIALS),
    'token_auth_url': 'set auth_url',  # nosec B105 # a name
    'backend_native_threads_pool_size':
        'set max_short_operations and max_bulk_operations of the back end',
    'backup_native_threads_pool_size': 'set backup_max_operations',
    'encryption_auth_url': 'set auth_url in [barbican]',
    'helper_command': 'set helper_command in [cinder_sys_admin] and [cinder_as_root]',
}
# Sections of which only these options are meant: names that others read elsewhere.
_ONLY_IN: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(('cafile', 'certfile', 'collect_timing', 'insecure', 'keyfile',
                     'timeout', 'tls_ciphers', 'tls_min_version'),
                    frozenset(('service_user',))),
    'token_auth_url': frozenset(('nova',)),
    'encryption_auth_url': frozenset(('keymgr', 'key_manager')),
    'helper_command': frozenset(('privsep_entrypoint',)),
    'heartbeat_in_pthread': frozenset(('oslo_messaging_rabbit',)),
    'auth_uri': frozenset(('keystone_authtoken',)),
}
_NOTHING = frozenset((
    'api_enable_ssl', 'auth_version', 'backup_metadata_version', 'backup_name_template', 'chap',
    'chap_password_len', 'clone_volume_timeout', 'compression_format', 'disk_geometry',
    'driver_data_namespace', 'enable_v1_api', 'enable_v2_api', 'enable_v3_api',
    'glance_api_ssl_compression', 'glance_api_version', 'heartbeat_in_pthread',
    'image_compress_on_upload', 'init_host_max_objects_retrieval', 'internal_project_name',
    'internal_user_name', 'memcached_servers', 'monkey_patch', 'monkey_patch_modules',
    'nas_mount_options', 'nas_secure_file_operations', 'nas_secure_file_permissions',
    'nas_volume_prov_type', 'nfs_mount_attempts', 'nfs_mount_options', 'nfs_mount_point_base',
    'nfs_qcow2_volumes', 'nfs_snapshot_support', 'nfs_sparsed_volumes', 'nvme_connect_port',
    'osapi_volume_ext_list', 'osapi_volume_extension', 'rbd_keyring_conf',
    'reinit_driver_count', 'reservation_clean_interval', 'reservation_expire', 'signing_dir',
    'snapshot_same_host', 'split_loggers', 'suppress_requests_ssl_warnings', 'trace_flags',
    'unique_fqdn_network', 'verbose', 'volume_service_inithost_offload', 'volume_usage_audit'))
# Beginning of the names of options of a part that does not exist.
_PARTS: Mapping[str, str] = {'backup_gcs_': _GCS}
# Value of an option of a back end that the original accepts -> what to set.
VALUES: Mapping[str, Mapping[str, str]] = {
    'target_helper': {'scstadmin': 'tgtadm, lioadm or nvmet', 'iscsictl': 'tgtadm or lioadm',
                      'spdk-nvmeof': 'nvmet', 'ietadm': 'tgtadm or lioadm'},
    'target_protocol': {'iser': 'iscsi, or nvmet_rdma with target_helper = nvmet'},
}


def fate(setting: config_files.Setting) -> tuple[str, str] | None:
    """Return the kind of an option that is not read, and a text; None: it is not known.

    :param setting: whose option neither this service nor a library reads
    """
    name = setting.name.replace('-', '_').lower()
    if setting.section.lower() not in _ONLY_IN.get(name, (setting.section.lower(),)):
        return None
    if (name, setting.section.lower()) == ('host', 'default'):
        return None  # a misspelt [DEFAULT]
    if name in _CLASSES:
        default, text = _CLASSES[name]
        return (NOTHING, '') if setting.value.strip() in ('', default) else (REFUSED, text)
    if name in _REFUSED:
        return ((NOTHING, '') if setting.value.strip().lower() in _HARMLESS
                else (REFUSED, _REFUSED[name]))
    if name in _RENAMED:
        return RENAMED, _RENAMED[name]
    if name in _NOTHING:
        return NOTHING, ''
    part = next((text for start, text in _PARTS.items() if name.startswith(start)), None)
    return (REFUSED, part) if part else None


def advice(setting: config_files.Setting) -> str | None:
    """Return what to set instead of a value that only the original accepts, or None."""
    return VALUES.get(setting.name, {}).get(setting.value.strip())


def listed(found: Sequence[tuple[config_files.Setting, tuple[str, str]]]) -> Iterator[Problem]:
    """Yield a warning for each kind, with its options."""
    for kind in KINDS:
        shown = dict.fromkeys(f'{setting.option}{text and f" ({text})"}'
                              for setting, (what, text) in found if what == kind)
        if shown:
            yield Problem(f'{kind}: {"; ".join(shown)}.', fatal=False)
