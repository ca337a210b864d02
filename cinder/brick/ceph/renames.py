# SPDX-License-Identifier: Apache-2.0
"""Renaming of images and snapshots, for what is taken over and for what is in the trash of the
service. That has nothing to do with the trash of a pool, see trash.py."""
from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from typing import Any

from cinder.brick.ceph import calls, errors, images
from cinder.brick.ceph.pool import Pool


def rename(pool: Pool, name: str, new: str) -> None:
    """Rename an image, unless that is done already.

    :raises NotFound: no image has either name
    :raises Exists: there are two images
    """
    try:
        pool.rbd('rename', name, new)
    except errors.NotFound:
        images.size_of(pool, new)
    except errors.Exists:
        _finish(pool, name, new)


def _finish(pool: Pool, name: str, new: str) -> None:
    """Finish an interrupted attempt to rename an image.

    librbd writes the object of the new name, changes the directory of the pool, and removes the
    object of the old name. In between, both names open the image, and librbd refuses to rename it.
    """
    with pool.image(name, read_only=True) as one, pool.image(new, read_only=True) as other:
        ident = one.id()
        if ident != other.id():
            raise errors.Exists(f'image {pool.name}/{new} exists')
    is_renamed = _name_in_directory(pool, ident) == new
    calls.make('Ioctx.remove_object', pool.ioctx.remove_object,
               f'rbd_id.{name if is_renamed else new}')
    if not is_renamed:
        pool.rbd('rename', name, new)


def _name_in_directory(pool: Pool, ident: str) -> str:
    """Return the name of an image in the directory of its pool, without a list of all."""
    return _ask_directory(pool, 'dir_get_name', ident)


def id_in_directory(pool: Pool, name: str) -> str | None:
    """Return the id of an image in the directory of its pool, None if it does not have the name."""
    with contextlib.suppress(errors.NotFound):
        return _ask_directory(pool, 'dir_get_id', name)
    return None


def _ask_directory(pool: Pool, method: str, text: str) -> str:
    argument = struct.pack('<I', len(text)) + text.encode()
    _status, answer = calls.make('Ioctx.execute', pool.ioctx.execute, 'rbd_directory', 'rbd',
                                 method, argument)
    return bytes(answer[4:]).decode()


def put_aside(pool: Pool, name: str, new: str, may_stay: Callable[[str], bool]) -> bool:
    """Rename an image that is to be deleted later. If that is done already, or no image has either
    name, it is a success; return False if no image has either name.

    :param may_stay: whether the image may have a snapshot of that name
    :raises Busy: a client has it open, with its address
    :raises HasSnapshots: it has others, with their names
    """
    try:
        with pool.image(name, read_only=True) as image:
            others = [each['name'] for each in images.snapshots(image)
                      if not may_stay(each['name'])]
            is_open = any(image.watchers_list())
    except errors.NotFound:
        return _exists(pool, new)
    if others:
        raise errors.HasSnapshots(f'image {pool.name}/{name} has snapshots: {", ".join(others)}')
    if is_open:
        raise images.busy(pool, name)
    rename(pool, name, new)
    return True


def _exists(pool: Pool, name: str) -> bool:
    try:
        images.size_of(pool, name)
    except errors.NotFound:
        return False
    return True


def rename_snapshot(pool: Pool, image: str, name: str, new: str, other: str = '') -> None:
    """Rename a snapshot, unless that is done already.

    :param other: another name that the image may have
    :raises NotFound: no snapshot has either name, or there is no such image
    """
    with _opened(pool, image, other) as opened:
        _rename_snapshot(opened, name, new)


def put_snapshot_aside(pool: Pool, image: str, name: str, new: str, other: str) -> bool:
    """Rename a snapshot that is to be deleted later. If that is done already, or no snapshot has
    either name, it is a success; return False if no snapshot has either name.

    :param other: another name that the image may have
    :raises Busy: clones of the old format need it; with their names
    """
    try:
        with (_opened(pool, image, other) as opened,
              images.naming_clones(pool, opened.get_name(), name)):
            if _is_renamed(opened, name, new):
                return True
            if opened.is_protected_snap(name):
                # It could not be removed later. Clones of the new format need no protection.
                opened.unprotect_snap(name)
            _rename_snapshot(opened, name, new)
    except errors.NotFound:
        return False
    return True


def _is_renamed(opened: Any, name: str, new: str) -> bool:
    names = {each['name'] for each in images.snapshots(opened)}
    return new in names and name not in names


def _rename_snapshot(opened: Any, name: str, new: str) -> None:
    try:
        opened.rename_snap(name, new)
    except errors.NotFound:
        if all(each['name'] != new for each in images.snapshots(opened)):
            raise


@contextlib.contextmanager
def _opened(pool: Pool, image: str, other: str) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(pool.image(image))
        except errors.NotFound:
            if not other:
                raise
            opened = stack.enter_context(pool.image(other))
        yield opened
