# SPDX-License-Identifier: Apache-2.0
"""A pool on a connection, as work in a native thread sees it: images, requests of librbd, and
commands to the monitor."""
from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinder.brick.ceph import bindings, calls, errors

if TYPE_CHECKING:
    from cinder.brick.ceph.cluster import Connection


class Pool:
    """A pool; several threads use it at a time.

    :ivar name: its name
    :ivar connection: the connection; `connection.pool(name)` is another pool of the cluster
    :ivar ioctx: that of librados, for requests that take one as their argument
    """

    def __init__(self, connection: Connection, name: str, ioctx: Any) -> None:
        self.connection, self.name, self.ioctx = connection, name, ioctx
        self.module = bindings.load().rbd
        self._rbd = self.module.RBD()

    def rbd(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of librbd's class RBD, whose first argument is this pool.

        :param method: such as 'create' or 'trash_move'
        :raises CephError: the call failed
        """
        return calls.make(f'RBD.{method}', getattr(self._rbd, method), self.ioctx, *args, **kwargs)

    @contextlib.contextmanager
    def image(self, name: str | None = None, *, snapshot: str | None = None,
              read_only: bool = False, ident: str | None = None) -> Iterator[calls.Traced]:
        """Open an image; the methods are those of librbd's class Image.

        :param snapshot: name of a snapshot of it to read
        :param ident: id of an image that has no name, in the trash, instead of `name`
        :raises NotFound: no such image or snapshot
        """
        opened = calls.make('Image', self.module.Image, self.ioctx, name, snapshot, read_only,
                            ident)
        try:
            yield calls.Traced(opened)
        finally:
            # Also when this work is no longer owned: an open image keeps others from removing it.
            opened.close()

    @property
    def data(self) -> str:
        """The pool that has the data of new images, by ceph.conf: this one, or one with erasure
        codes for instance."""
        return str(self.connection.rados.conf_get('rbd_default_data_pool') or self.name)

    def fullness(self) -> str | None:
        """Return why the cluster lets every change of this pool wait, None if it does not; or every
        write, if the data is in another pool."""
        for found in self.monitor('osd pool ls', detail='detail'):
            name, flags = found['pool_name'], found['flags_names'].split(',')
            if name not in (self.name, self.data):
                continue
            if 'full_quota' in flags:
                return (f'the quota of pool {name} is reached: '
                        f'{found["quota_max_bytes"]} bytes, {found["quota_max_objects"]} objects '
                        '(0: no limit)')
            if 'full' in flags:
                return f'pool {name} is full'
        return None

    def monitor(self, prefix: str, **arguments: Any) -> Any:
        """Send a command to the monitor and return its answer, decoded from JSON.

        :raises CephError: it is refused
        """
        command = json.dumps({'prefix': prefix, 'format': 'json', **arguments})
        status, answer, said = calls.make(f'mon {prefix}', self.connection.rados.mon_command,
                                          command, b'')
        if status:
            raise errors.from_number(-status, f'mon {prefix}', said)
        return json.loads(answer) if answer.strip() else None
