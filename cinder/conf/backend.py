# SPDX-License-Identifier: Apache-2.0
"""Options of one back end. OPTS has all options of its section. A value is read from that section,
otherwise from [backend_defaults], otherwise it is the default of the option."""

from oslo_config import cfg, types

from cinder.conf import file, lvm, rbd, targets
from cinder.conf.option_types import JsonObject

GROUP = 'backend_defaults'

COMMON = [
    cfg.StrOpt('volume_driver', default='cinder.volume.drivers.lvm.LVMVolumeDriver',
               help='Driver class of the back end.'),
    cfg.StrOpt('volume_backend_name', sample_default='lvm',
               help='Name that volume types refer to; several back ends may have the same. Not '
                    'set: the name of the section.'),
    cfg.StrOpt('backend_host', sample_default='storage',
               help='Host name of this back end instead of the option host, so that another host '
                    'can take over the back end. Not set: the option host.'),
    cfg.StrOpt('backend_availability_zone', sample_default='nova',
               help='Availability zone of this back end. Not set: storage_availability_zone.'),
    cfg.BoolOpt('enable_unsupported_driver', default=False,
                help='Start a driver that is marked as no longer supported.'),
    cfg.Opt('extra_capabilities', type=JsonObject(), default={},
            sample_default={'service_level': 'gold'},
            help='Further capabilities of this back end, as a JSON object, that volume types can '
                 'ask for in their extra specs. They do not replace those that the driver '
                 'reports.'),
    cfg.IntOpt('reserved_percentage', default=0, min=0, max=100,
               help='Share of each pool, in percent, that is reserved and not used for volumes.'),
    cfg.StrOpt('max_over_subscription_ratio', default='20.0',
               regex=r'^(auto|\d*\.\d+|\d+)$',
               help='Ratio of provisioned to physical capacity for thin volumes; "auto": computed '
                    'from the used space of the pool.'),
    cfg.StrOpt('filter_function', sample_default='volume.size < 100',
               help='Expression that decides whether this back end takes a volume; the scheduler '
                    'evaluates it if scheduler_default_filters names DriverFilter. Not set: it '
                    'takes all.'),
    cfg.StrOpt('goodness_function', sample_default='(volume.size < 10) * 100',
               help='Expression from 0 to 100 that rates this back end for a volume; the scheduler '
                    'evaluates it if scheduler_default_weighers names GoodnessWeigher. Not set: '
                    '0.'),
    cfg.IntOpt('max_short_operations', default=16, min=1, max=1000,
               help='Number of short operations, such as creating an empty volume, that run on '
                    'this back end at a time. Further ones wait in the database, and projects take '
                    'turns.'),
    cfg.IntOpt('max_bulk_operations', default=8, min=1, max=1000,
               help='Number of operations that copy data, such as clones, images and migrations, '
                    'that run on this back end at a time. They do not count as short operations.'),
    cfg.MultiOpt('replication_device', item_type=types.Dict(),
                 sample_default='backend_id:second,conf:/etc/ceph/second.conf,user:cinder',
                 help='Another storage that has copies of replicated volumes, and an id by which '
                      'requests name it. The driver knows its keys; it may be given several times. '
                      'Not set: volumes are not replicated.'),
    cfg.IntOpt('num_shell_tries', default=3, min=1,
               help='Number of attempts for a storage command that fails for a temporary reason.'),
    cfg.BoolOpt('enforce_multipath_for_image_xfer', default=False,
                help='Tell initiators to fail instead of using a single path when multipath is '
                     'requested.'),
    cfg.BoolOpt('use_multipath_for_image_xfer', default=False,
                help='Use multipath when the service itself attaches a volume of another host.'),
    cfg.IntOpt('num_volume_device_scan_tries', default=3, min=1,
               help='Number of times that the service looks for the device when it attaches a '
                    'volume itself.'),
    cfg.BoolOpt('report_discard_supported', default=False,
                help='Report to initiators that the volumes support discard.'),
    cfg.StrOpt('volume_clear', default='zero',
               choices=[('none', 'not at all'), ('zero', 'with zeros')],
               help='How a thick volume is overwritten before it is deleted.'),
    cfg.IntOpt('volume_clear_size', default=0, max=1024,
               help='MiB at the start of the volume to overwrite; 0: the whole volume.'),
    cfg.StrOpt('volume_clear_ionice', regex=r'^(-(c *[0-3]|n *[0-7]|t) *)+$',
               sample_default='-c3',
               help='Arguments of ionice for overwriting. Not set: ionice is not used.'),
    cfg.StrOpt('volume_dd_blocksize', default='1M',
               regex=r'^[1-9][0-9]*(c|w|b|[kKMG]B?|[KMG]iB)?$',
               help='Block size of copies, in bytes or with a suffix that dd accepts.'),
    cfg.BoolOpt('image_volume_cache_enabled', default=False,
                help='Keep a volume with each image that volumes are created from, and clone '
                     'later volumes from it. Needs cinder_internal_tenant_project_id and '
                     'cinder_internal_tenant_user_id.'),
    cfg.IntOpt('image_volume_cache_max_size_gb', default=0, min=0,
               help='GiB that all cached images of a pool may have; 0: no limit. The least '
                    'recently used ones are deleted first.'),
    cfg.IntOpt('image_volume_cache_max_count', default=0, min=0,
               help='Number of cached images of a pool; 0: no limit.'),
    cfg.BoolOpt('image_upload_use_cinder_backend', default=False,
                help='Upload a volume as a raw image by registering a clone of it as the data of '
                     'the image, for which the image service needs its store "cinder". Its data '
                     'is sent if the image service refuses that.'),
    cfg.BoolOpt('image_upload_use_internal_tenant', default=False,
                help='These clones belong to the project cinder_internal_tenant_project_id. '
                     'Otherwise: to the project of the request, and count in its quota.'),
    cfg.IntOpt('delete_to_trash_hours', default=0, min=0, max=24 * 366,
               help='Number of hours for which deleted volumes and snapshots can be restored; '
                    'until then they stay on the storage, unless others need their space. 0: they '
                    'are removed at once.'),
    cfg.BoolOpt('trash_counts_for_quota', default=False,
                help='Volumes and snapshots in the trash count for the quota of their project '
                     'until they are removed for ever.'),
    cfg.IntOpt('volume_copy_bps_limit', default=0, min=0, max=2**50,
               help='Limit for all copies of this back end together, in bytes per second, for '
                    'clones, reverts and migrations; 0: no limit. Copies that share blocks are not '
                    'limited.'),
]

OPTS = [*COMMON, *lvm.OPTS, *file.OPTS, *rbd.OPTS, *targets.OPTS]
