# SPDX-License-Identifier: Apache-2.0
"""Options of a back end that stores volumes as images of RBD in a pool of a Ceph cluster."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('rbd_cluster_name', default='ceph',
               help='Name of the Ceph cluster, which the names of its files contain.'),
    cfg.StrOpt('rbd_pool', default='rbd',
               help='Pool that holds the volumes.'),
    cfg.StrOpt('rbd_user', sample_default='cinder',
               help='Ceph client that the service and the hosts of instances connect as, without '
                    '"client.". Not set: admin.'),
    cfg.StrOpt('rbd_ceph_conf', default='', sample_default='/etc/ceph/ceph.conf',
               help='Path of ceph.conf. Not set: where librados looks, such as '
                    '/etc/ceph/ceph.conf.'),
    cfg.StrOpt('rbd_secret_uuid', sample_default='457eb676-33da-42ec-9a8c-9293d545c337',
               help='UUID of the secret of libvirt on the hosts of instances that contains the key '
                    'of rbd_user. Not set: the fsid of the cluster. The key itself is never sent: '
                    'each host has a keyring or that secret.'),
    cfg.BoolOpt('rbd_flatten_volume_from_snapshot', default=False,
                help='Copy all data to a volume that is created from a snapshot, so that it does '
                     'not depend on it.'),
    cfg.IntOpt('rbd_max_clone_depth', default=5, min=0,
               help='Number of clones, each of the one before, above which all data is copied to '
                    'the new volume, so that it depends on none; 0: each clone is a copy.'),
    cfg.IntOpt('rbd_concurrent_flatten_operations', default=3, min=0,
               help='Number of volumes to which data is copied in this way at a time; 0: no '
                    'limit.'),
    cfg.IntOpt('rbd_store_chunk_size', default=4, min=1, max=32,
               help='Size in MiB of the objects that a volume consists of; a power of 2.'),
    cfg.ListOpt('rbd_features', default=[],
                help='Features of new images, of layering (needed), exclusive-lock, object-map, '
                     'fast-diff, deep-flatten and journaling. Empty: rbd_default_features in '
                     'ceph.conf or in the configuration of the cluster.'),
    cfg.IntOpt('rados_connect_timeout', default=-1,
               help='Seconds until an attempt to connect to the cluster fails; negative: as '
                    'ceph.conf says, at most rados_operation_timeout.'),
    cfg.IntOpt('rados_operation_timeout', default=60, min=1,
               help='Seconds until a request to the cluster fails, unless rados_osd_op_timeout or '
                    'rados_mon_op_timeout in ceph.conf says otherwise. An operation that was '
                    'interrupted is tried again later.'),
    cfg.IntOpt('rados_connection_retries', default=3, min=0,
               help='Number of further attempts to connect to the cluster.'),
    cfg.IntOpt('rados_connection_interval', default=5, min=0,
               help='Seconds between two attempts to connect to the cluster.'),
    cfg.IntOpt('replication_connect_timeout', default=5,
               help='Seconds until an attempt to connect fails when a back end fails over to '
                    'another cluster; one that does not answer is regarded as lost. Negative: as '
                    'ceph.conf says.'),
    cfg.IntOpt('rbd_failover_timeout', default=120, min=0,
               help='Seconds for which a failover waits for copies that do not follow their '
                    'volumes, while the cluster that is left still answers. After that, volumes '
                    'whose copies do not are in error, and their data stays where it is.'),
    cfg.IntOpt('rbd_failback_timeout', default=86400, min=0,
               help='Seconds for which the failback to the primary waits until that has all '
                    'changes. After that, the back end stays where it is.'),
    cfg.BoolOpt('report_dynamic_total_capacity', default=True,
                help='Report the used and the free space of the pool as its capacity. False: '
                     'the quota of the pool, or the size of the cluster without one.'),
    cfg.BoolOpt('rbd_exclusive_cinder_pool', default=True,
                help='Whether the pool has the volumes of this service only, so that their sizes '
                     'are known. False: the sizes of all images are counted.'),
    cfg.BoolOpt('enable_deferred_deletion', default=False,
                help='Move deleted volumes to the trash of the pool.'),
    cfg.IntOpt('deferred_deletion_delay', default=0, min=0,
               help='Seconds that a deleted volume stays in the trash, if it can be restored from '
                    'there.'),
    cfg.IntOpt('deferred_deletion_purge_interval', default=60, min=1,
               help='Seconds between two attempts to remove what is due from the trash.'),
]
