# SPDX-License-Identifier: Apache-2.0
"""Options of a back end that stores each volume in a sparse file."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('file_volume_dir', default='$state_path/file-volumes',
               help='Directory that holds the volumes.'),
    cfg.BoolOpt('file_shared_storage', default=False,
                help='Whether file_volume_dir is the same directory on all hosts of the cluster, '
                     'for instance an NFS mount. If it is not, or if target_helper is not local, '
                     'the back end cannot be used in a cluster.'),
    cfg.StrOpt('file_reflink', default='auto',
               choices=[('auto', 'if the file system supports it'), ('always', 'do not start '
                        'if the file system does not support it'), ('never', 'copy the data, '
                        'except holes')],
               help='Whether snapshots and clones share blocks with their source (reflink).'),
]
