# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-volume as a whole: its back ends, names on the storage, migrations and reports.
Options of one back end are in backend.py, lvm.py, file.py and targets.py."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

# Valid names of LVM and file systems, see lvm(8), VALID NAMES. Hidden files and partial files are
# not volumes, see cinder.brick.local_dev.sparse_files.
_NAME = r'^(?![-.])[a-zA-Z0-9+_.-]*%s[a-zA-Z0-9+_.-]*(?<!\.part)$'

OPTS = [
    NamesOpt('enabled_backends', sample_default=['lvm'],
             help='Names of the sections that each describe a back end. One process of the service '
                  'is started for each. Not set: cinder-volume does not start.'),
    cfg.StrOpt('volume_name_template', default='volume-%s', regex=_NAME,
               help='Name of a volume on the storage; %s is replaced by its id. After a change, '
                    'existing volumes are not found.'),
    cfg.StrOpt('snapshot_name_template', default='snapshot-%s', regex=_NAME,
               help='Name of a snapshot on the storage; %s is replaced by its id. After a change, '
                    'existing snapshots are not found.'),
    cfg.StrOpt('cinder_internal_tenant_project_id',
               sample_default='0123456789abcdef0123456789abcdef',
               help='Id of the project that owns the volumes of the image cache. Not set: '
                    'image_volume_cache_enabled has no effect.'),
    cfg.StrOpt('cinder_internal_tenant_user_id',
               sample_default='fedcba9876543210fedcba9876543210',
               help='Id of the user of these volumes. Not set: likewise.'),
    cfg.IntOpt('migration_create_volume_timeout_secs', default=300, min=1,
               help='Seconds to wait for the destination back end to create the volume that a '
                    'migration copies to.'),
    cfg.IntOpt('migration_completion_timeout_secs', default=86400, min=1,
               help='Seconds within which the compute service must copy a volume that a server '
                    'uses. After that the migration fails; a copy that may still be written to is '
                    'kept.'),
    cfg.StrOpt('volume_usage_audit_period', default='month',
               help='Period of cinder-volume-usage-audit: hour, day, month or year, with or '
                    'without @ and the minute, hour, day or month at which it begins, such as '
                    'month@15.'),
    cfg.IntOpt('backend_stats_polling_interval', default=60, min=3,
               help='Seconds between two capacity reports of a back end.'),
]
