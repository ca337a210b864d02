# SPDX-License-Identifier: Apache-2.0
"""Removal of images and snapshots from a pool that is full, where every change waits for space.
Such requests pass with a flag of librados that its Python bindings lack, so they are made with the
C libraries, on a connection of their own."""
from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from typing import Any

from cinder.brick.ceph import calls, errors
from cinder.brick.ceph.pool import Pool

# What this connection has in common with that of the bindings.
_OPTIONS = ('rados_osd_op_timeout', 'rados_mon_op_timeout', 'client_mount_timeout',
            'objecter_timeout', 'objecter_tick_interval', 'rbd_default_clone_format')


class Libraries:
    """librados and librbd with a pool open.

    :param conf_get: returns the value of an option of Ceph
    """

    def __init__(self, pool: str, cluster_name: str, user: str, conf: str,
                 conf_get: Callable[[str], str]) -> None:
        self._rados, self.rbd = ctypes.CDLL('librados.so.2'), ctypes.CDLL('librbd.so.1')
        self._cluster, self.ioctx = ctypes.c_void_p(), ctypes.c_void_p()
        self._call('rados_create2', ctypes.byref(self._cluster), cluster_name.encode(),
                   f'client.{user or "admin"}'.encode(), ctypes.c_uint64(0))
        self._call('rados_conf_read_file', self._cluster, conf.encode() or None)
        for name in _OPTIONS:
            self._call('rados_conf_set', self._cluster, name.encode(), conf_get(name).encode())
        try:
            self._call('rados_connect', self._cluster)
            self._call('rados_ioctx_create', self._cluster, pool.encode(),
                       ctypes.byref(self.ioctx))
            self._rados.rados_set_pool_full_try(self.ioctx)
        except errors.CephError:
            self.close()
            raise

    def _call(self, name: str, *args: Any) -> None:
        calls.make(name, checked, name, getattr(self._rados, name), *args)

    def close(self) -> None:
        """End the connection."""
        if self.ioctx:
            self._rados.rados_ioctx_destroy(self.ioctx)
        self._rados.rados_shutdown(self._cluster)

    def on_pool(self, method: str, name: str, *args: Any) -> None:
        """Call a method of RBD that removes something: remove, trash_move or trash_remove; or
        rename, which fails at once then, because it creates an object."""
        kinds = {'trash_move': ctypes.c_uint64, 'trash_remove': ctypes.c_bool,
                 'rename': str.encode}
        rest = [kinds[method](*args)] if method in kinds else []
        calls.make(f'RBD.{method}', checked, method, getattr(self.rbd, f'rbd_{method}'),
                   self.ioctx, name.encode(), *rest)

    def on_snapshot(self, method: str, name: str | None, ident: str | None,
                    *snapshots: str) -> None:
        """Call a method of an image for one of its snapshots: remove_snap, unprotect_snap or
        rename_snap."""
        image, opener = ctypes.c_void_p(), 'rbd_open_by_id' if ident else 'rbd_open'
        calls.make('Image', checked, opener, getattr(self.rbd, opener), self.ioctx,
                   (ident or name or '').encode(), ctypes.byref(image), None)
        try:
            function = f'rbd_snap_{method.removesuffix("_snap")}'
            calls.make(f'Image.{method}', checked, function, getattr(self.rbd, function), image,
                       *map(str.encode, snapshots))
        finally:
            self.rbd.rbd_close(image)


def checked(what: str, function: Callable[..., int], *args: Any) -> None:
    """Call a function of C.

    :raises CephError: it returns an error number
    """
    status = function(*args)
    if status < 0:
        raise errors.from_number(-status, what, os.strerror(-status))


class FreeingPool(Pool):
    """A pool whose images can be removed, and its snapshots removed and renamed, although it is
    full."""

    def __init__(self, pool: Pool, libraries: Libraries) -> None:
        super().__init__(pool.connection, pool.name, pool.ioctx)
        self._libraries = libraries

    def rbd(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method not in ('remove', 'trash_move', 'trash_remove', 'rename'):
            return super().rbd(method, *args, **kwargs)
        try:
            return self._libraries.on_pool(method, *args, **kwargs)
        except errors.NotFound:
            if method != 'trash_remove':
                self._require_absent(args[0])
            raise

    def _require_absent(self, name: str) -> None:
        """Refuse to believe that an image does not exist: librbd says so, too, if the object is
        missing that lists the trash of the pool, for which there is no space.

        :raises Full: the image exists
        """
        with contextlib.suppress(errors.NotFound), super().image(name, read_only=True):
            raise errors.Full(f'image {self.name}/{name} cannot be removed, because pool '
                              f'{self.name} is full and has no trash yet')

    @contextlib.contextmanager
    def image(self, name: str | None = None, *, snapshot: str | None = None,
              read_only: bool = False, ident: str | None = None) -> Iterator[Any]:
        # Opened for writing it would wait for space.
        with super().image(name, snapshot=snapshot, read_only=True, ident=ident) as image:
            yield image if read_only else _Freeing(image, self._libraries, name, ident)


class _Freeing:
    """An image whose snapshots can be removed and renamed although its pool is full."""

    def __init__(self, image: calls.Traced, libraries: Libraries, name: str | None,
                 ident: str | None) -> None:
        self._image, self._libraries, self._place = image, libraries, (name, ident)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)

    def remove_snap(self, snapshot: str) -> None:
        """As librbd's."""
        self._libraries.on_snapshot('remove_snap', *self._place, snapshot)

    def rename_snap(self, snapshot: str, new: str) -> None:
        """As librbd's."""
        self._libraries.on_snapshot('rename_snap', *self._place, snapshot, new)

    def unprotect_snap(self, snapshot: str) -> None:
        """As librbd's."""
        self._libraries.on_snapshot('unprotect_snap', *self._place, snapshot)
