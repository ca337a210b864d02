# SPDX-License-Identifier: Apache-2.0
"""Deletion of images, in any order: an image that clones depend on goes to the trash of its pool,
and is removed from there with the last of them. Deferred deletion uses the trash too."""
from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from oslo_utils import timeutils

from cinder.brick.ceph import clones, errors, images, renames
from cinder.brick.ceph.pool import Pool

# Seconds until an image that a killed process had open is free; osd_client_watch_timeout is 30.
WATCH_TIMEOUT = 35
Owned = Callable[[str], bool]


def delete(pool: Pool, name: str, owned: Owned, delay: int | None = None,
           passing: Owned = lambda _snapshot: False) -> None:
    """Delete an image; one that does not exist is a success.

    :param owned: whether an image of that name may be removed from the trash
    :param delay: seconds that it stays in the trash; None: it is removed at once
    :param passing: whether a snapshot of that name is removed too
    :raises Busy: a client has it open, with its address. It may be a process that was killed, which
        the cluster notices within WATCH_TIMEOUT.
    :raises HasSnapshots: with the names of the snapshots
    """
    try:
        _delete(pool, name, owned, delay, passing)
    except errors.Busy:
        raise images.busy(pool, name) from None


def _delete(pool: Pool, name: str, owned: Owned, delay: int | None, passing: Owned) -> None:
    try:
        with pool.image(name, read_only=True) as image:
            above = clones.parent(image)
            held = images.snapshots(image) if delay is not None else []
    except errors.NotFound:
        if not _finish_move(pool, name, delay or 0):
            # Parts of an image remain after a creation or a removal that was interrupted.
            images.remove(pool, name)
        return
    if held:
        _drop_snapshots(pool, name, passing)
    if delay is not None:
        _move(pool, name, delay)
        return
    try:
        images.remove(pool, name)
    except errors.HasSnapshots:
        _drop_snapshots(pool, name, passing)
        _remove_or_keep(pool, name)
    if above:
        collect_parent(pool, above, owned)


def _finish_move(pool: Pool, name: str, delay: int) -> bool:
    """Finish an interrupted move of an image to the trash, which can neither be removed from there
    nor restored before; return False if there is none.

    librbd adds the image to the trash, removes the object of its name, and then the name from the
    directory of the pool. Without that it looks for the name in the whole trash.
    """
    with contextlib.suppress(errors.NotFound):
        ident = renames.id_in_directory(pool, name)
        if ident is not None:
            pool.rbd('trash_get', ident)
        pool.rbd('trash_move', name, delay)
        return True
    return False


def _drop_snapshots(pool: Pool, name: str, passing: Owned) -> None:
    """Remove the snapshots that go with an image. One of the old format of clones that is in use
    stays, and is removed with the image."""
    with pool.image(name) as image:
        found = [each['name'] for each in images.snapshots(image)]
        others = [each for each in found if not passing(each)]
        if others:
            raise errors.HasSnapshots(f'image {pool.name}/{name} has snapshots: '
                                      f'{", ".join(others)}')
        for each in found:
            images.drop_snapshot(image, each)


def _remove_or_keep(pool: Pool, name: str) -> None:
    """Remove an image, or move it to the trash while its data has clones."""
    try:
        images.remove(pool, name)
    except errors.HasSnapshots:
        _move(pool, name, 0)


def _move(pool: Pool, name: str, delay: int) -> None:
    """Move an image to the trash.

    :raises Busy: another client has it open; librbd itself would move it all the same
    """
    try:
        if images.watchers(pool, name):
            raise errors.Busy(f'image {pool.name}/{name} is open')
        pool.rbd('trash_move', name, delay)
    except errors.NotFound:
        return


def collect_parent(pool: Pool, above: dict[str, Any], owned: Owned) -> None:
    """Remove the parent of an image that was removed, if it was deleted before and has no other
    clone.

    :param above: the parent, from clones.parent()
    """
    if not owned(above['image_name']):
        return
    if above['pool_name'] != pool.name:
        pool = pool.connection.pool(above['pool_name'], above.get('pool_namespace') or '')
    try:
        pool.rbd('trash_get', above['image_id'])
    except errors.NotFound:
        return
    collect(pool, above['image_id'], owned)


def collect(pool: Pool, ident: str, owned: Owned) -> bool:
    """Remove an image from the trash, and then its parents for which the same holds; return False
    if it has to stay, because clones depend on it or its time is not over.

    :param ident: id of the image
    """
    try:
        with pool.image(ident=ident, read_only=True) as image:
            above = clones.parent(image)
            held = images.snapshots(image)
        if held:
            with pool.image(ident=ident) as image:
                for each in held:
                    images.drop_snapshot(image, each['name'])
    except errors.NotFound:
        above = None
    try:
        pool.rbd('trash_remove', ident)
    except errors.NotFound:
        return True
    except (errors.HasSnapshots, errors.Busy, errors.Denied):
        return False
    if above:
        collect_parent(pool, above, owned)
    return True


def due(pool: Pool, owned: Owned) -> list[str]:
    """Return the ids of the images in the trash whose time is over."""
    now = timeutils.utcnow()
    return [entry['id'] for entry in pool.rbd('trash_list')
            if entry['source'] == 'USER' and owned(entry['name'])
            and entry['deferment_end_time'] <= now]


def entries(pool: Pool) -> list[dict[str, Any]]:
    """Return the images in the trash that users moved there, as librbd describes them."""
    return [entry for entry in pool.rbd('trash_list') if entry['source'] == 'USER']


def restore(pool: Pool, ident: str, name: str) -> None:
    """Take an image out of the trash and give it a name.

    :raises NotFound: the trash has no such image
    """
    pool.rbd('trash_restore', ident, name)
