# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-volume as a whole: its back ends, the names on the storage, start-up and
background work. What one back end is like stands in backend.py, lvm.py, file.py, targets.py."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

# What LVM and file systems take for a name, see lvm(8), VALID NAMES; files that are hidden or parts
# of others are no volumes, see cinder.brick.local_dev.sparse_files.
_NAME = r'^(?![-.])[a-zA-Z0-9+_.-]*%s[a-zA-Z0-9+_.-]*(?<!\.part)$'

OPTS = [
    NamesOpt('enabled_backends', sample_default=['lvm'],
             help='Names of the sections that describe a back end each. One service '
                  'process is started for each of them. Not set: cinder-volume does not '
                  'start.'),
    cfg.StrOpt('volume_name_template', default='volume-%s', regex=_NAME,
               help='Name of a volume on the storage; %s stands for its id. A change loses '
                    'sight of what exists.'),
    cfg.StrOpt('snapshot_name_template', default='snapshot-%s', regex=_NAME,
               help='Name of a snapshot on the storage; %s stands for its id. A change loses '
                    'sight of what exists.'),
    cfg.IntOpt('migration_create_volume_timeout_secs', default=300, min=1,
               help='Seconds to wait for the new back end to make the volume that a migration '
                    'copies to.'),
    cfg.IntOpt('migration_completion_timeout_secs', default=86400, min=1,
               help='Seconds within which the compute service has to copy a volume that a server '
                    'uses and that is migrated. After that the migration has failed; a copy that '
                    'may still be written to is kept.'),
    cfg.IntOpt('backend_stats_polling_interval', default=60, min=3,
               help='Seconds between two capacity reports of a back end.'),
]
