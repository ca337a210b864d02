# SPDX-License-Identifier: Apache-2.0
"""Ceph for functional tests: the cluster of tools/ceph_cluster.py, options of a back end on it, and
bytes of its images."""

import contextlib
import importlib.util
import pathlib
from collections.abc import Iterator

from cinder.brick.ceph import cluster as clusters
from cinder.brick.ceph.pool import Pool
from tests.functional.ceph_scenarios import VERBS
from tests.functional.suite import Suite, fault_names
from tools.ceph_cluster import Cluster
from tools.ceph_cluster import lacking as lacking_programs

# All of `contract` is removed after each test of the contract; `service` has the volumes of
# CephSuite.
POOLS, USER = ('volumes', 'images', 'backups', 'spare', 'contract', 'service', 'hosts',
               'alerts'), 'cinder'
# What the driver calls for the operations of the suite, see cinder.brick.ceph.calls.
CALLS = ('RBD.create', 'RBD.clone', 'RBD.remove', 'RBD.trash_move', 'RBD.trash_remove',
         'Image.resize', 'Image.create_snap', 'Image.remove_snap', 'Image.rollback_to_snap',
         'Image.update_features', 'RBD.rename', 'RBD.group_create', 'Group.add_image',
         'Group.create_snap', 'Group.remove_image', 'Group.remove_snap', 'RBD.group_remove')
DRIVER = 'cinder.volume.drivers.rbd.RBDDriver'


def lacking() -> str | None:
    """Return why no test with Ceph can run here, None if they can."""
    missing = [name for name in ('rados', 'rbd') if importlib.util.find_spec(name) is None]
    if missing:
        return (f'this Python has no module {" and ".join(missing)}: Debian has python3-rados and '
                'python3-rbd for its own release of Python only')
    return lacking_programs()


@contextlib.contextmanager
def started(folder: pathlib.Path, name: str = 'ceph', **arguments) -> Iterator[Cluster]:
    """Run a cluster for the length of a block.

    :param arguments: see Cluster
    """
    cluster = Cluster(folder, **{'pools': POOLS, 'users': {USER: POOLS}, 'name': name, **arguments})
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def options(cluster: Cluster, pool: str = 'volumes') -> dict[str, str]:
    """Return the options of a back end in a pool of that cluster."""
    return {'volume_driver': DRIVER, 'rbd_pool': pool, 'rbd_user': USER,
            'rbd_ceph_conf': str(cluster.conf), 'rbd_cluster_name': cluster.name}


def half_make(pool: Pool, name: str, snapshot: str) -> None:
    """Make a snapshot what librbd leaves that was killed when it had listed it, and had not written
    its object map."""
    with pool.image(name, read_only=True) as image:
        found = next(each['id'] for each in image.list_snaps() if each['name'] == snapshot)
        pool.ioctx.remove_object(f'rbd_object_map.{image.id()}.{found:016x}')


class CephSuite(Suite):
    """Daemons whose back end is a pool of RBD.

    :param cluster: a running cluster
    :param pool: the pool, which no other suite uses
    """

    def __init__(self, *args, cluster: Cluster, pool: str = 'service', **kwargs):
        self.ceph, self.pool = cluster, pool
        super().__init__(*args, **{'backends': ('ceph',), **kwargs})

    def _backend(self, name):
        # The cases of all tests, each with some volumes, are more than the cluster has room for.
        return {'volume_backend_name': name, 'max_over_subscription_ratio': 10000,
                **options(self.ceph, self.pool)}

    def fault_names(self):
        return [*super().fault_names(), *(name for verb in VERBS for name in fault_names(verb)),
                *(f'ceph:{name}:{when}' for name in CALLS for when in ('before', 'after'))]

    def stored(self):
        """Images and their snapshots; of the trash, what nothing depends on."""
        return clusters.get(clusters.Settings(
            user=USER, conf=str(self.ceph.conf), cluster_name=self.ceph.name)).run(
                self.pool, _stored)


def _stored(pool: Pool) -> dict[str, int]:
    found = {}
    for each in pool.rbd('list2'):
        with pool.image(each['name'], read_only=True) as image:
            found[each['name']] = image.size()
            found |= {snapshot['name']: snapshot['size'] for snapshot in image.list_snaps()
                      if snapshot['namespace'] == 0}
    for each in pool.rbd('trash_list'):
        with pool.image(ident=each['id'], read_only=True) as image:
            if not list(image.list_snaps()):
                found[f'trash {each["name"]}'] = image.size()
    return found
