# SPDX-License-Identifier: Apache-2.0
"""What a driver sees of a volume and a snapshot, and the options of a back end, without the
objects and the configuration that they come from."""
import types
import uuid

OPTIONS = {
    'volume_backend_name': 'backend', 'reserved_percentage': 5, 'filter_function': None,
    'goodness_function': None, 'max_over_subscription_ratio': '20.0',
    'report_discard_supported': False, 'target_helper': 'fake', 'target_export': 'attached',
    'target_ip_address': '127.0.0.1',
    'target_secondary_ip_addresses': [], 'target_port': 3260,
    'target_prefix': 'iqn.2010-10.org.openstack:', 'use_chap_auth': False, 'chap_username': '',
    'chap_password': '', 'iscsi_write_cache': 'on', 'iscsi_target_flags': '',
    'target_live_sessions': 'fence', 'target_protocol': 'iscsi', 'nvmet_port_id': 1,
    'volumes_dir': '/nonexistent', 'nvmet_ns_id': 10, 'nvmeof_conn_info_version': 1,
    'file_reflink': 'auto', 'volume_group': 'vg', 'lvm_type': 'auto', 'lvm_mirrors': 0,
    'lvm_conf_file': 'none', 'lvm_max_over_subscription_ratio': None, 'lvm_pool_soft_limit': 80,
    'lvm_pool_hard_limit': 95, 'lvm_pool_autoextend': 20,
    'lvm_suppress_fd_warnings': False, 'num_shell_tries': 3,
    'volume_dd_blocksize': '1M', 'volume_clear': 'zero', 'volume_clear_size': 0,
    'volume_clear_ionice': None,
}
CONNECTOR = {'initiator': 'iqn.1994-05.com.example:host', 'ip': '127.0.0.1', 'host': 'host'}


def options(**changes):
    return types.SimpleNamespace(**{**OPTIONS, **changes})


def volume(size=1, **fields):
    ident = str(uuid.uuid4())
    values = {'id': ident, 'name': f'volume-{ident}', 'size': size, 'provider_location': None,
              'provider_auth': None, 'admin_metadata': {}, 'volume_type': None,
              'replication_status': None, 'replication_driver_data': None, 'encrypted': False,
              'multiattach': False, 'group_id': None}
    return types.SimpleNamespace(**{**values, **fields})


class VolumeType(types.SimpleNamespace):
    """:param limits: QoS specs; of those `*_per_gb` only the product is computed"""

    def __init__(self, name='type', limits=None, consumer='back-end', encryption=None,
                 extra_specs=None):
        super().__init__(
            name=name, extra_specs=extra_specs or {}, encryption=encryption,
            qos_specs={'consumer': consumer, 'specs': limits} if limits else None)

    def is_(self, spec):
        return self.extra_specs.get(spec) == '<is> True'

    def qos_of(self, size):
        return {key.removesuffix('_per_gb'): int(value) * size if key.endswith('_per_gb') else value
                for key, value in self.qos_specs['specs'].items()}


def snapshot(of, **fields):
    ident = str(uuid.uuid4())
    values = {'id': ident, 'name': f'snapshot-{ident}', 'volume': of, 'volume_id': of.id,
              'volume_size': of.size, 'group_snapshot_id': None}
    return types.SimpleNamespace(**{**values, **fields})


def attachment(initiator=None, **fields):
    values = {'connector': initiator and {'initiator': initiator}, 'attach_mode': 'rw',
              'attach_status': 'attached'}
    return types.SimpleNamespace(**{**values, **fields})


def stored(target, fields):
    """Do what the manager does with the fields that a driver returns."""
    vars(target).update(fields or {})
    return target


class NoSnapshots:
    """A driver that cannot read snapshots; another one has its volumes."""

    def __init__(self, driver):
        self.local_path = driver.local_path
