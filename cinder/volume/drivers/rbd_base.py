# SPDX-License-Identifier: Apache-2.0
"""What all parts of RBDDriver share: the connection to the cluster, and the translation of errors
of Ceph to those of a back end."""
from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from cinder import exception
from cinder.brick.ceph import cluster, errors
from cinder.brick.ceph.pool import Pool
from cinder.volume import driver
from cinder.volume.driver_types import Executor
from cinder.volume.drivers import rbd_sites

if TYPE_CHECKING:
    from cinder.volume.configuration import Configuration

P = ParamSpec('P')
R = TypeVar('R')
GIB = 1024 ** 3
# End of the name of the snapshot that a clone is made of; the beginning is that of the clone.
PASSING = '.clone_snap'
_ID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'


def typed(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method to raise errors of Ceph as errors of the back end."""
    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (errors.TimedOut, errors.ConnectionLost, errors.Unreachable) as exc:
            raise exception.BackendUnresponsive(data=f'{method.__name__}: {exc}') from exc
        except errors.Full as exc:
            raise exception.InsufficientFreeSpace(data=f'{method.__name__}: {exc}') from exc
        except errors.CephError as exc:
            raise exception.VolumeBackendAPIException(data=f'{method.__name__}: {exc}') from exc
    return wrapper


class RBDBase(driver.VolumeDriver):
    """A pool of a cluster.

    :ivar sites: id -> cluster and pool
    :ivar site: the one in use
    :ivar ceph: its cluster
    :ivar pool_name: the pool that has the volumes
    :ivar flattening: held while all data of an image is copied to it
    :ivar order: binary logarithm of the size of the objects of a new image in bytes
    """

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        super().__init__(configuration, executor, host, cluster_name)
        self.backend_name = (configuration.volume_backend_name
                             or getattr(configuration, 'config_group', None)
                             or type(self).__name__)
        self.order: int = (configuration.rbd_store_chunk_size * 1024 ** 2).bit_length() - 1
        self.sites = rbd_sites.sites(configuration)
        limit = configuration.rbd_concurrent_flatten_operations
        self.flattening: contextlib.AbstractContextManager[object] = (
            threading.BoundedSemaphore(limit) if limit else contextlib.nullcontext())
        self.use_site(self.sites[rbd_sites.PRIMARY])

    def use_site(self, site: rbd_sites.Site) -> None:
        """Have the volumes on this cluster from now on."""
        self.site, self.ceph, self.pool_name = site, cluster.get(site.settings), site.pool

    @property
    def fsid(self) -> str:
        """The id of the cluster."""
        return str(self.run(lambda pool: pool.connection.rados.get_fsid()))

    def run(self, function: Callable[Concatenate[Pool, P], R], *args: P.args,
            **kwargs: P.kwargs) -> R:
        """Call function(pool, ...) on the pool of this back end; see Cluster.run."""
        return self.ceph.run(self.pool_name, function, *args, **kwargs)


def names_of(template: str) -> Callable[[str], bool]:
    """Return a function that tells whether a name is one of volumes.

    :param template: as volume_name_template
    """
    pattern = re.compile(re.escape(template).replace('%s', _ID))
    return lambda name: pattern.fullmatch(name) is not None
