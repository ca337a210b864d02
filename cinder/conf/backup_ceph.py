# SPDX-License-Identifier: Apache-2.0
"""Options of the backup driver that stores backups as images of RBD in a Ceph cluster."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('backup_ceph_conf', default='/etc/ceph/ceph.conf',
               help='Path of the ceph.conf of the cluster of the backups.'),
    cfg.StrOpt('backup_ceph_user', default='cinder', sample_default='cinder-backup',
               help='Ceph client that the backup service connects as, without "client.". Its '
                    'keyring is where ceph.conf says.'),
    cfg.StrOpt('backup_ceph_pool', default='backups',
               help='Pool of backups for which the user names no container.'),
    cfg.IntOpt('backup_ceph_chunk_size', default=134217728, min=2**22,
               help='Most bytes of a volume that are on their way between the volume and the pool '
                    'at a time, for one backup or restore.'),
    cfg.IntOpt('backup_ceph_stripe_unit', default=0, min=0,
               help='Bytes of a stripe of new images of backups; 0: they are not striped.'),
    cfg.IntOpt('backup_ceph_stripe_count', default=0, min=0,
               help='Number of objects over which a stripe is spread; 0: images are not striped.'),
    cfg.BoolOpt('backup_ceph_image_journals', default=False,
                help='Give new images of backups the feature journaling, so that the pool can be '
                     'mirrored in that mode.'),
    cfg.IntOpt('backup_ceph_max_snapshots', default=0, min=0,
               help='Number of snapshots that are kept in the image of a volume on RBD for the '
                    'next incremental backups, the newest ones; 0: one for each backup of the '
                    'volume. An incremental backup whose parent has none compares all data.'),
    cfg.BoolOpt('restore_discard_excess_bytes', default=True,
                help='Let a volume that is larger than the backup read zeros behind the end of the '
                     'backup after a restore. With false, what was there stays.'),
]
