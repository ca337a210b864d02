# SPDX-License-Identifier: Apache-2.0
"""A cluster: one connection of this process, made again when it is lost, and work on it in native
threads, because librados blocks. pool.py has what the work sees."""
from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import errno
import os
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from cinder import concurrency, ownership
from cinder.brick.ceph import bindings, calls, errors, full_pool
from cinder.brick.ceph.pool import Pool

P = ParamSpec('P')
T = TypeVar('T')
# Of native threads: green ones would start an event loop there.
threading, time = map(concurrency.original, ('threading', 'time'))
# Seconds without another attempt to do without full_pool.
KNOWN_FULL = 60
# Numbers of errors that pass when a monitor answers again.
UNREACHABLE = frozenset((errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH,
                         errno.EAGAIN))


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a cluster is reached; one connection serves all that have the same.

    :param user: name of the client, without 'client.'; '' is that of the library, admin
    :param conf: path of ceph.conf; '': where the library looks
    :param cluster_name: name of the cluster, which the names of its files contain
    :param connect_timeout: seconds until an attempt to connect fails; negative: as ceph.conf says,
        at most `timeout`
    :param timeout: seconds until a request to an OSD or a monitor fails, unless ceph.conf sets a
        limit of its own
    :param retries: further attempts to connect
    :param interval: seconds between two of them
    """

    user: str = ''
    conf: str = ''
    cluster_name: str = 'ceph'
    connect_timeout: int = -1
    timeout: int = 60
    retries: int = 3
    interval: int = 5


class Connection:
    """A connection, with the pools that were opened on it."""

    def __init__(self, rados: Any) -> None:
        self.rados = rados
        self.process = os.getpid()
        self._pools: dict[tuple[str, str], Pool] = {}

    def pool(self, name: str, namespace: str = '') -> Pool:
        """Return an open pool.

        :raises NotFound: no such pool
        """
        found = self._pools.get((name, namespace))
        if found is None:
            ioctx = calls.make('Rados.open_ioctx', self.rados.open_ioctx, name)
            if namespace:
                ioctx.set_namespace(namespace)
            found = self._pools[name, namespace] = Pool(self, name, ioctx)
        return found


class Cluster:
    """A cluster that is connected to at the first use; get() returns the one of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        # Name of a pool -> until when it is taken for full.
        self._full: dict[str, float] = {}

    def run(self, pool: str, function: Callable[Concatenate[Pool, P], T],
            *args: P.args, **kwargs: P.kwargs) -> T:
        """Call function(pool, ...) in a native thread, where threads are green, and return its
        result. A function may be called twice, the second time on a new connection.

        :param function: may neither log nor use locks that green threads have
        :raises CephError: the first error that the function does not handle
        """
        ownership.confirm()
        context = contextvars.copy_context()
        return concurrency.call_long(
            lambda: context.run(
                self.run_here, pool, lambda opened: function(opened, *args, **kwargs)), 'ceph')

    def run_freeing(self, pool: str, function: Callable[Concatenate[Pool, P], T],
                    *args: P.args, **kwargs: P.kwargs) -> T:
        """Like run(), for a function that removes images or snapshots: in a pool that is full it
        is called again, so that it does not wait for space. See FreeingPool."""
        if time.monotonic() >= self._full.get(pool, 0):
            try:
                return self.run(pool, function, *args, **kwargs)
            except errors.Full:
                self._full[pool] = time.monotonic() + KNOWN_FULL
        return self.run(pool, self._freeing, lambda opened: function(opened, *args, **kwargs))

    def _freeing(self, pool: Pool, function: Callable[[Pool], T]) -> T:
        settings = self.settings
        libraries = full_pool.Libraries(pool.name, settings.cluster_name, settings.user,
                                        settings.conf, pool.connection.rados.conf_get)
        with contextlib.closing(libraries):
            return function(full_pool.FreeingPool(pool, libraries))

    def run_here(self, pool: str, function: Callable[[Pool], T]) -> T:
        """The same in this thread, which must be a native one."""
        connection = self._connected()
        try:
            return _explained(connection.pool(pool), function)
        except errors.ConnectionLost:
            self._drop(connection)
        connection = self._connected()
        return _explained(connection.pool(pool), function)

    def close(self) -> None:
        """End the connection; the next use makes another one."""
        if self._connection is not None:
            self._drop(self._connection)

    def _connected(self) -> Connection:
        with self._lock:
            # A connection does not survive a fork.
            if self._connection is None or self._connection.process != os.getpid():
                self._connection = Connection(self._connect())
            return self._connection

    def _drop(self, connection: Connection) -> None:
        """Forget a connection that is lost. It closes when nothing uses it any more."""
        with self._lock:
            if self._connection is connection:
                self._connection = None

    def _connect(self) -> Any:
        for attempts_left in reversed(range(self.settings.retries + 1)):
            try:
                return self._connect_once()
            except errors.Unreachable:
                # Rights and names do not change by waiting.
                if not attempts_left:
                    raise
            time.sleep(self.settings.interval)
        raise AssertionError

    def _connect_once(self) -> Any:
        modules, settings = bindings.load(), self.settings
        try:
            rados = modules.rados.Rados(
                rados_id=settings.user or None, clustername=settings.cluster_name,
                conffile=settings.conf or '')
            self._configure(rados)
            calls.make('Rados.connect', rados.connect)
        except (errors.CephError, modules.rados.Error) as exc:
            with contextlib.suppress(Exception):
                rados.shutdown()
            number = abs(getattr(exc, 'errno', 0) or 0)
            kind = errors.Unreachable if number in UNREACHABLE else errors.CannotConnect
            raise kind(
                f'no connection to the Ceph cluster {settings.cluster_name} as '
                f'client.{settings.user or "admin"} with {settings.conf or "the default ceph.conf"}'
                f': {exc}', number) from exc
        return rados

    def _configure(self, rados: Any) -> None:
        """Bound each request, which would wait for ever."""
        for name in ('rados_osd_op_timeout', 'rados_mon_op_timeout'):
            if float(rados.conf_get(name) or 0) == 0:
                rados.conf_set(name, str(self.settings.timeout))
        # A client looks for an OSD that has moved only after objecter_timeout: requests that fail
        # before that time would fail for ever.
        patience = float(rados.conf_get('rados_osd_op_timeout'))
        for name, share in (('objecter_timeout', 3), ('objecter_tick_interval', 6)):
            found = float(rados.conf_get(name) or 0) or patience
            rados.conf_set(name, f'{min(found, patience / share):.2f}')
        limit = self.settings.connect_timeout
        if limit < 0:
            limit = min(self.settings.timeout, int(float(rados.conf_get('client_mount_timeout'))))
        rados.conf_set('client_mount_timeout', str(limit))
        # Snapshots of clones of this format need no protection, and can be removed before these.
        rados.conf_set('rbd_default_clone_format', '2')


def _explained(pool: Pool, function: Callable[[Pool], T]) -> T:
    """Call a function; a time-out in a full pool, where requests wait for space, is the error
    Full."""
    try:
        return function(pool)
    except errors.TimedOut as exc:
        reason = None
        with contextlib.suppress(errors.CephError):
            reason = pool.fullness()
        if not reason:
            raise
        raise errors.Full(f'{reason}; {exc}') from exc


_clusters: dict[Settings, Cluster] = {}


def get(settings: Settings) -> Cluster:
    """Return the cluster with these settings; all callers in this process share its connection."""
    return _clusters.setdefault(settings, Cluster(settings))
