# SPDX-License-Identifier: Apache-2.0
"""Options of one back end. OPTS is everything its section of the file may hold; a value comes
from that section, else from [backend_defaults], else from the default given here."""

from oslo_config import cfg

from cinder.conf import file, lvm, targets

GROUP = 'backend_defaults'

COMMON = [
    cfg.StrOpt('volume_driver', default='cinder.volume.drivers.lvm.LVMVolumeDriver',
               help='Driver class of the back end.'),
    cfg.StrOpt('volume_backend_name', sample_default='lvm',
               help='Name that volume types ask for; several back ends may share one. Not set: '
                    'the name of the section.'),
    cfg.StrOpt('backend_host', sample_default='storage',
               help='Host name of this back end in place of the option host, so that '
                    'another machine can take the back end over. Not set: the option host.'),
    cfg.StrOpt('backend_availability_zone', sample_default='nova',
               help='Availability zone of this back end. Not set: storage_availability_zone.'),
    cfg.BoolOpt('enable_unsupported_driver', default=False,
                help='Start a driver that is marked as not supported any more.'),
    cfg.IntOpt('reserved_percentage', default=0, min=0, max=100,
               help='Share of each pool, in percent, that is not given to volumes.'),
    cfg.StrOpt('max_over_subscription_ratio', default='20.0',
               regex=r'^(auto|\d*\.\d+|\d+)$',
               help='Capacity promised to thin volumes, as a multiple of what is there; '
                    '"auto" derives it from how full the volumes are.'),
    cfg.StrOpt('filter_function', sample_default='volume.size < 100',
               help='Expression that a filter of another package may ask whether this back end '
                    'takes a volume: it is reported to the scheduler, whose own filters do not '
                    'read it. Not set: none.'),
    cfg.StrOpt('goodness_function', sample_default='(volume.size < 10) * 100',
               help='Expression that a weigher of another package may ask how well a volume fits '
                    'here, from 0 to 100: it is reported like filter_function. Not set: none.'),
    cfg.IntOpt('max_short_operations', default=16, min=1, max=1000,
               help='Number of operations that are commands of the storage, such as making an '
                    'empty volume, and run on this back end at a time. What is asked for beyond '
                    'waits in the database, fair between projects.'),
    cfg.IntOpt('max_bulk_operations', default=8, min=1, max=1000,
               help='Number of operations that move bytes, such as copies, images and migrations, '
                    'and run on this back end at a time. They take no places of the others.'),
    cfg.IntOpt('num_shell_tries', default=3, min=1,
               help='Number of attempts at a command of the storage that fails for a passing '
                    'reason.'),
    cfg.BoolOpt('enforce_multipath_for_image_xfer', default=False,
                help='Have initiators fail rather than use a single path where they were told '
                     'to use several.'),
    cfg.BoolOpt('use_multipath_for_image_xfer', default=False,
                help='Use several paths where the service itself connects to a volume of another '
                     'machine.'),
    cfg.IntOpt('num_volume_device_scan_tries', default=3, min=1,
               help='Number of times that the service looks for the device when it connects to a '
                    'volume itself.'),
    cfg.BoolOpt('report_discard_supported', default=False,
                help='Tell initiators that blocks may be discarded.'),
    cfg.StrOpt('volume_clear', default='zero',
               choices=[('none', 'not at all'), ('zero', 'with zeros')],
               help='How a thick volume is overwritten when it is deleted.'),
    cfg.IntOpt('volume_clear_size', default=0, max=1024,
               help='MiB at the start of the volume to overwrite; 0 is all of it.'),
    cfg.StrOpt('volume_clear_ionice', regex=r'^(-(c *[0-3]|n *[0-7]|t) *)+$',
               sample_default='-c3',
               help='Options of ionice for the overwriting. Not set: it runs without ionice.'),
    cfg.StrOpt('volume_dd_blocksize', default='1M',
               regex=r'^[1-9][0-9]*(c|w|b|[kKMG]B?|[KMG]iB)?$',
               help='Block size of copies, in bytes or with a suffix as dd takes it.'),
    cfg.IntOpt('volume_copy_bps_limit', default=0, min=0, max=2**50,
               help='Bytes per second that all copies of this back end may move together, for '
                    'clones, reverts and migrations; 0 is no limit. Copies that share blocks move '
                    'none.'),
]

OPTS = [*COMMON, *lvm.OPTS, *file.OPTS, *targets.OPTS]
