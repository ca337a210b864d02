# SPDX-License-Identifier: Apache-2.0
"""Options of a back end that keeps each volume as a sparse file."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('file_volume_dir', default='$state_path/file-volumes',
               help='Folder that holds the volumes.'),
    cfg.BoolOpt('file_shared_storage', default=False,
                help='Whether file_volume_dir is one folder that all hosts of the cluster have '
                     'mounted, for instance by NFS. Without it, and with a target_helper other '
                     'than local, the back end is refused in a cluster.'),
    cfg.StrOpt('file_reflink', default='auto',
               choices=[('auto', 'where the file system can'), ('always', 'refuse to start '
                        'where it cannot'), ('never', 'copy, skipping holes')],
               help='Whether snapshots and clones share blocks with their source.'),
]
