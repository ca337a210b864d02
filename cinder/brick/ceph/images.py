# SPDX-License-Identifier: Apache-2.0
"""Images of RBD and their snapshots: each function is one change, runs in a native thread
(Cluster.run), and may be repeated after an interruption. clones.py and trash.py have the rest."""
from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from cinder.brick.ceph import errors
from cinder.brick.ceph.pool import Pool

# Snapshots of other kinds have no name that users may know: of groups, of mirrors, in the trash.
USER = 0


class WrongSize(errors.CephError):
    """An image exists with another size than it should have."""


def create(pool: Pool, /, name: str, size: int, order: int, **layout: Any) -> None:
    """Create an image that reads zeros.

    :param size: bytes
    :param order: binary logarithm of the size of its objects in bytes
    :param layout: further arguments of librbd's create(), such as features and data_pool; those
        that are not given are taken from ceph.conf
    :raises WrongSize: the image exists with another size
    """
    try:
        pool.rbd('create', name, size, order, **layout)
    except errors.Exists:
        try:
            found = size_of(pool, name)
        except errors.NotFound:
            # An attempt that was interrupted has left parts of it.
            pool.rbd('remove', name)
            pool.rbd('create', name, size, order, **layout)
            return
        if found != size:
            raise WrongSize(f'image {pool.name}/{name} exists with {found} bytes, not {size}'
                            ) from None


def size_of(pool: Pool, name: str, snapshot: str | None = None) -> int:
    """Return the size of an image or snapshot in bytes.

    :raises NotFound: it does not exist
    """
    with pool.image(name, snapshot=snapshot, read_only=True) as image:
        return int(image.size())


def can_open(pool: Pool, name: str, snapshot: str | None = None) -> bool:
    """Return whether an image or snapshot exists and is whole.

    librbd lists a snapshot first, and writes its object map after that. Without the map, which a
    creation that was killed leaves like that, the snapshot can only be removed.
    """
    try:
        size_of(pool, name, snapshot)
    except errors.NotFound:
        return False
    return True


def all_exist(pool: Pool, names: Iterable[str]) -> bool:
    """Return whether all of these images exist."""
    return all(can_open(pool, name) for name in names)


def grow(pool: Pool, name: str, size: int) -> None:
    """Extend an image to `size` bytes, also while others use it.

    :raises WrongSize: it is larger
    """
    with pool.image(name) as image:
        found = image.size()
        if found > size:
            raise WrongSize(f'image {pool.name}/{name} has {found} bytes, more than {size}')
        if found < size:
            image.resize(size)


def create_snapshot(pool: Pool, name: str, snapshot: str) -> None:
    """Create a snapshot of an image; one that exists is kept if it is whole."""
    try:
        _create_snapshot(pool, name, snapshot)
    except errors.Exists:
        if not can_open(pool, name, snapshot):
            remove_snapshot(pool, name, snapshot)
            _create_snapshot(pool, name, snapshot)


def _create_snapshot(pool: Pool, name: str, snapshot: str) -> None:
    with pool.image(name) as image:
        image.create_snap(snapshot)


def remove_snapshot(pool: Pool, name: str, snapshot: str) -> None:
    """Remove a snapshot; one that does not exist is a success. Clones of it keep its data, until
    the last of them is removed.

    :raises Busy: clones of the old format need it; with their names
    """
    with (contextlib.suppress(errors.NotFound), naming_clones(pool, name, snapshot),
          pool.image(name) as image):
        try:
            _remove(image, snapshot)
        except errors.NotFound:
            _finish_removal(image, snapshot)


def _finish_removal(image: Any, snapshot: str) -> None:
    """Remove what an interrupted removal of a snapshot has left: librbd renames it first, and then
    removes it if it has no clones."""
    for each in image.list_snaps():
        if each.get('trash', {}).get('original_name') == snapshot:
            with contextlib.suppress(errors.Busy, errors.Locked, errors.NotFound):
                image.remove_snap_by_id(each['id'])


@contextlib.contextmanager
def naming_clones(pool: Pool, name: str, snapshot: str) -> Iterator[None]:
    """Name the clones in the error of a block that cannot unprotect a snapshot because of them.

    :raises Busy: with their names
    """
    try:
        yield
    except errors.Busy as exc:
        with pool.image(name, snapshot=snapshot, read_only=True) as image:
            clones = ', '.join(f'{each["pool"]}/{each["image"]}'
                               for each in image.list_children2())
        if not clones:
            raise
        raise errors.Busy(f'clones of the old format need it: {clones}; flatten them') from exc


def drop_snapshot(image: Any, snapshot: str) -> None:
    """Remove a snapshot of an open image, unless clones of the old format need it."""
    with contextlib.suppress(errors.Busy, errors.NotFound):
        _remove(image, snapshot)


def _remove(image: Any, snapshot: str) -> None:
    try:
        image.remove_snap(snapshot)
    except errors.Busy:
        # Protected, as the old format of clones wants it.
        image.unprotect_snap(snapshot)
        image.remove_snap(snapshot)


def snapshots(image: Any) -> list[dict[str, Any]]:
    """Return the snapshots of an open image that users made, as librbd describes them."""
    return [found for found in image.list_snaps() if found.get('namespace', USER) == USER]


def revert(pool: Pool, name: str, snapshot: str, size: int) -> None:
    """Revert an image to the data of its snapshot.

    :param size: bytes of the image, which the snapshot may have fewer of
    """
    with pool.image(name) as image:
        image.rollback_to_snap(snapshot)
        if image.size() < size:
            image.resize(size)


def remove(pool: Pool, name: str) -> None:
    """Remove an image without snapshots; one that does not exist is a success.

    :raises HasSnapshots: it has some
    :raises Busy: another client has it open
    """
    try:
        pool.rbd('remove', name)
    except errors.NotFound:
        return


def watchers(pool: Pool, name: str) -> list[str]:
    """Return who has an image open for writing: addresses of clients."""
    with pool.image(name, read_only=True) as image:
        return sorted({str(each['addr']) for each in image.watchers_list()})


def busy(pool: Pool, name: str) -> errors.Busy:
    """Return the error for an image that another client has open."""
    try:
        found = ', '.join(watchers(pool, name)) or 'a client that has closed it by now'
    except errors.NotFound:
        found = 'a client'
    return errors.Busy(f'image {pool.name}/{name} is open by {found}')
