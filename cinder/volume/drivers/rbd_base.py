# SPDX-License-Identifier: Apache-2.0
"""What all parts of RBDDriver share: the connection to the cluster, and the translation of errors
of Ceph to those of a back end."""
from __future__ import annotations

import contextlib
import contextvars
import functools
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

from cinder import exception
from cinder.brick.ceph import cluster, errors, features, trash
from cinder.brick.ceph.pool import Pool
from cinder.volume import driver
from cinder.volume.driver_types import Executor
from cinder.volume.drivers import rbd_sites

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration

P = ParamSpec('P')
R = TypeVar('R')
GIB = 1024 ** 3
# End of the name of the snapshot that a clone is made of; the beginning is that of the clone.
PASSING = '.clone_snap'
_site: contextvars.ContextVar[rbd_sites.Site | None] = contextvars.ContextVar('site', default=None)
_ID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'


def translated(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to raise errors of Ceph as errors of the back end."""
    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (errors.TimedOut, errors.ConnectionLost, errors.Unreachable) as exc:
            raise exception.BackendUnresponsive(data=f'{method.__name__}: {exc}') from exc
        except (errors.Busy, errors.Locked) as exc:
            # Perhaps by a process that was killed.
            raise exception.VolumeIsBusy(
                volume_name=_named(args), reason=f'{method.__name__}: {exc}',
                passes_within=trash.WATCH_TIMEOUT) from exc
        except errors.Full as exc:
            raise exception.InsufficientFreeSpace(data=f'{method.__name__}: {exc}') from exc
        except errors.CephError as exc:
            raise exception.VolumeBackendAPIException(data=f'{method.__name__}: {exc}') from exc
    return wrapper


def _named(args: tuple[object, ...]) -> str:
    """Return the name of the first volume or snapshot among arguments."""
    return next((str(each.name) for each in args if hasattr(each, 'name')), '-')


def typed(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method of RBDBase to be translated(), and to work on the cluster that has the
    volumes and snapshots among its arguments."""
    @translated
    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        driver, *others = args
        with at_site_of(cast('RBDBase', driver), others):
            return method(*args, **kwargs)
    return wrapper


class RBDBase(driver.VolumeDriver):
    """A pool of a cluster.

    :ivar sites: id -> cluster and pool
    :ivar active: the cluster and the pool in use
    :ivar flattening: held while all data of an image is copied to it
    :ivar order: binary logarithm of the size of the objects of a new image in bytes
    :ivar layout: further arguments of librbd for a new image
    """

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        super().__init__(configuration, executor, host, cluster_name)
        self.backend_name = (configuration.volume_backend_name
                             or getattr(configuration, 'config_group', None)
                             or type(self).__name__)
        self.order: int = (configuration.rbd_store_chunk_size * 1024 ** 2).bit_length() - 1
        self.layout = features.layout(configuration.rbd_features)
        self.sites = rbd_sites.sites(configuration)
        limit = configuration.rbd_concurrent_flatten_operations
        self.flattening: contextlib.AbstractContextManager[object] = (
            threading.BoundedSemaphore(limit) if limit else contextlib.nullcontext())
        self.active = self.sites[rbd_sites.PRIMARY]

    def use_site(self, site: rbd_sites.Site) -> None:
        """Have the volumes on this cluster from now on."""
        self.active = site

    def site_of(self, backend_id: str) -> rbd_sites.Site:
        """Return the cluster with this id.

        :raises InvalidReplicationTarget: no such cluster is configured
        """
        found = self.sites.get(backend_id)
        if found is None:
            raise exception.InvalidReplicationTarget(
                reason=f'no replication_device has the backend_id {backend_id}; there are: '
                       f'{", ".join(self.sites)}')
        return found

    @property
    def site(self) -> rbd_sites.Site:
        """The cluster and the pool in use, for the volume that this thread works on."""
        return _site.get() or self.active

    @property
    def ceph(self) -> cluster.Cluster:
        """The cluster in use."""
        return cluster.get(self.site.settings)

    @property
    def pool_name(self) -> str:
        """The pool in use."""
        return self.site.pool

    def at_site_of(self, resources: Iterable[object]) -> contextlib.AbstractContextManager[None]:
        """Use the cluster that has these volumes or snapshots; see at_site_of()."""
        return at_site_of(self, resources)

    def has_in_use(self, volume: Volume) -> bool:
        """Return whether a volume is on the cluster that the back end uses."""
        return rbd_sites.name_of(volume) in (None, self.active.backend_id)

    @property
    def fsid(self) -> str:
        """The id of the cluster."""
        return str(self.run(lambda pool: pool.connection.rados.get_fsid()))

    def run(self, function: Callable[Concatenate[Pool, P], R], *args: P.args,
            **kwargs: P.kwargs) -> R:
        """Call function(pool, ...) on the pool of this back end; see Cluster.run."""
        return self.ceph.run(self.pool_name, function, *args, **kwargs)

    def run_freeing(self, function: Callable[Concatenate[Pool, P], R], *args: P.args,
                    **kwargs: P.kwargs) -> R:
        """The same for a function that removes images or snapshots; see Cluster.run_freeing."""
        return self.ceph.run_freeing(self.pool_name, function, *args, **kwargs)


@contextlib.contextmanager
def at_site_of(driver: RBDBase, resources: Iterable[object]) -> Iterator[None]:
    """Use the cluster that has these volumes or snapshots, during the block; see rbd_sites.SITE.

    :param resources: arguments of a method; those of other kinds are ignored
    :raises InvalidVolume: they are on several clusters
    :raises InvalidReplicationTarget: their cluster is no longer configured
    """
    found = {rbd_sites.name_of(each) for each in resources
             if hasattr(each, 'replication_driver_data') or hasattr(each, 'volume')}
    if not found - {None}:
        yield
        return
    names = sorted({each or driver.active.backend_id for each in found})
    if len(names) > 1:
        raise exception.InvalidVolume(
            reason=f'the volumes are on {" and ".join(names)}: fail over the back end or the group '
                   'to the same cluster first')
    token = _site.set(driver.site_of(names[0]))
    try:
        yield
    finally:
        _site.reset(token)


def names_of(template: str) -> Callable[[str], bool]:
    """Return a function that returns whether a name is one of volumes.

    :param template: as volume_name_template
    """
    pattern = re.compile(re.escape(template).replace('%s', _ID))
    return lambda name: pattern.fullmatch(name) is not None
