# SPDX-License-Identifier: Apache-2.0
"""A volume driver for the original when the tests run it: volumes and snapshots are sparse files
with real data, and os-brick's connector `local` attaches them. It runs in the environment of the
original only."""
import glob
import os

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import units

from cinder import exception, interface, utils
from cinder.image import image_utils
from cinder.volume import configuration, driver

LOG = logging.getLogger(__name__)
OPTS = [
    cfg.StrOpt('lab_file_root', help='Folder of the volume files of this backend'),
    cfg.IntOpt('lab_capacity_gb', default=1000, help='Reported capacity'),
    cfg.StrOpt('lab_pool_name', default='pool0', help='Name of its only pool'),
]
cfg.CONF.register_opts(OPTS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class LabFileDriver(driver.VolumeDriver):
    VERSION = '1.0.0'
    CI_WIKI_NAME = 'none'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTS)
        self.root = self.configuration.lab_file_root

    # ---- paths and primitive file work
    def _vpath(self, volume):
        return os.path.join(self.root, volume['name'])

    def _spath(self, snapshot):
        return os.path.join(self.root, '_' + snapshot['name'])  # as LVM does

    def local_path(self, volume):
        return self._vpath(volume)

    @staticmethod
    def _copy(src, dst):
        utils.execute('cp', '--sparse=always', '--reflink=auto', src, dst)

    @staticmethod
    def _resize(path, gib):
        if os.path.getsize(path) < gib * units.Gi:
            os.truncate(path, gib * units.Gi)

    @staticmethod
    def _remove(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            LOG.warning('%s already gone', path)

    # ---- setup
    def do_setup(self, context):
        os.makedirs(self.root, exist_ok=True)

    def check_for_setup_error(self):
        if not os.access(self.root, os.W_OK):
            raise exception.VolumeBackendAPIException(data=f'{self.root} is not writable')

    def _update_volume_stats(self):
        used = sum(os.path.getsize(p) for p in glob.glob(os.path.join(self.root, '*'))
                   if os.path.exists(p)) / units.Gi
        cap = self.configuration.lab_capacity_gb
        name = self.configuration.safe_get('volume_backend_name') or 'labfile'
        self._stats = {
            'volume_backend_name': name, 'vendor_name': 'Open Source',
            'driver_version': self.VERSION, 'storage_protocol': 'file',
            'pools': [{
                'pool_name': self.configuration.lab_pool_name, 'total_capacity_gb': cap,
                'free_capacity_gb': round(max(cap - used, 0), 2), 'allocated_capacity_gb': 0,
                'provisioned_capacity_gb': round(used, 2), 'reserved_percentage': 0,
                'max_over_subscription_ratio': '20.0', 'thin_provisioning_support': True,
                'thick_provisioning_support': False, 'QoS_support': True, 'multiattach': True,
                'online_extend_support': True, 'backend_state': 'up',
                'consistencygroup_support': True, 'consistent_group_snapshot_enabled': True,
            }],
        }

    # ---- volumes
    def create_volume(self, volume):
        with open(self._vpath(volume), 'wb') as f:
            f.truncate(volume['size'] * units.Gi)

    def delete_volume(self, volume):
        self._remove(self._vpath(volume))

    def create_cloned_volume(self, volume, src_vref):
        self._copy(self._vpath(src_vref), self._vpath(volume))
        self._resize(self._vpath(volume), volume['size'])

    def create_volume_from_snapshot(self, volume, snapshot):
        self._copy(self._spath(snapshot), self._vpath(volume))
        self._resize(self._vpath(volume), volume['size'])

    def extend_volume(self, volume, new_size):
        self._resize(self._vpath(volume), new_size)

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return None, False

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        path = self._vpath(volume)
        image_utils.fetch_to_raw(context, image_service, image_id, path,
                                 self.configuration.volume_dd_blocksize,
                                 size=volume['size'], disable_sparse=disable_sparse)
        self._resize(path, volume['size'])

    def retype(self, context, volume, new_type, diff, host):
        return True, None

    def update_migrated_volume(self, ctxt, volume, new_volume, original_volume_status):
        # As drivers whose storage cannot rename.
        return {'_name_id': new_volume['_name_id'] or new_volume['id'],
                'provider_location': new_volume['provider_location']}

    # ---- snapshots
    def create_snapshot(self, snapshot):
        self._copy(self._vpath(snapshot['volume']), self._spath(snapshot))

    def delete_snapshot(self, snapshot):
        self._remove(self._spath(snapshot))

    def revert_to_snapshot(self, context, volume, snapshot):
        self._copy(self._spath(snapshot), self._vpath(volume))
        self._resize(self._vpath(volume), volume['size'])

    def snapshot_revert_use_temp_snapshot(self):
        return False

    # ---- manage by file name
    def _ref_path(self, ref):
        path = os.path.join(self.root, os.path.basename(ref['source-name']))
        if not os.path.isfile(path):
            raise exception.ManageExistingInvalidReference(
                existing_ref=ref, reason='no such file')
        return path

    def manage_existing_get_size(self, volume, existing_ref):
        return -(-os.path.getsize(self._ref_path(existing_ref)) // units.Gi)

    def manage_existing(self, volume, existing_ref):
        os.rename(self._ref_path(existing_ref), self._vpath(volume))

    # ---- groups: every member is a file copy made under one call
    def create_group(self, context, group):
        return {'status': 'available'}

    def delete_group(self, context, group, volumes):
        out = []
        for v in volumes:
            self.delete_volume(v)
            out.append({'id': v['id'], 'status': 'deleted'})
        return {'status': 'deleted'}, out

    def update_group(self, context, group, add_volumes=None, remove_volumes=None):
        return None, None, None

    def create_group_snapshot(self, context, group_snapshot, snapshots):
        out = []
        for s in snapshots:
            self.create_snapshot(s)
            out.append({'id': s['id'], 'status': 'available'})
        return {'status': 'available'}, out

    def delete_group_snapshot(self, context, group_snapshot, snapshots):
        out = []
        for s in snapshots:
            self.delete_snapshot(s)
            out.append({'id': s['id'], 'status': 'deleted'})
        return {'status': 'deleted'}, out

    def create_group_from_src(self, context, group, volumes, group_snapshot=None, snapshots=None,
                              source_group=None, source_vols=None):
        srcs = {s['id']: s for s in (snapshots or source_vols or [])}
        for v in volumes:
            key = v['snapshot_id'] if snapshots else v['source_volid']
            if snapshots:
                self.create_volume_from_snapshot(v, srcs[key])
            else:
                self.create_cloned_volume(v, srcs[key])
        return None, None

    # ---- data path
    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector, **kwargs):
        return {'driver_volume_type': 'local',
                'data': {'device_path': self._vpath(volume), 'volume_id': volume['id']}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass

    def accept_transfer(self, context, volume, new_user, new_project):
        pass
