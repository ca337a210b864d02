# SPDX-License-Identifier: Apache-2.0
"""Ceph for functional tests: the cluster of tools/ceph_cluster.py, options of a back end on it, and
bytes of its images."""

import contextlib
import importlib.util
import pathlib
from collections.abc import Iterator

from tools.ceph_cluster import Cluster
from tools.ceph_cluster import lacking as lacking_programs

# All of the last one is removed after each test of the contract.
POOLS, USER = ('volumes', 'images', 'backups', 'spare', 'contract'), 'cinder'
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
