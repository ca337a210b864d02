# SPDX-License-Identifier: Apache-2.0
"""Mirroring of images between two clusters, which the daemon rbd-mirror does: each function is one
step, for one image of one of the clusters, and may be repeated."""
from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from cinder.brick.ceph import calls, errors, images
from cinder.brick.ceph.pool import Pool

JOURNAL, SNAPSHOT = 'journal', 'snapshot'
# Metadata of a primary image: a mark that is replicated to the other cluster, which proves that the
# copy follows this image; and the id of a copy that was deleted to be copied again.
MARK, RESYNC = 'cinder.mirror_mark', 'cinder.mirror_resync'
# Beginning of the names of snapshots from which the daemon copies an image for the first time.
SNAPSHOTS = '.rbd-mirror.'
_STATES = 'MIRROR_IMAGE_STATUS_STATE_'
SPLIT_BRAIN = 'split-brain'


@dataclasses.dataclass(frozen=True)
class State:
    """What a cluster knows of a mirrored image.

    :param ident: id of the image
    :param enabled: whether it is mirrored
    :param primary: whether it may be written here
    :param mark: the mark that it has, '' for none
    :param resync: id of a copy of it that was deleted to be copied again
    :param status: state of the copy here, such as 'replaying' or 'syncing'
    :param text: description of this state by the daemon
    """

    ident: str
    enabled: bool
    primary: bool
    mark: str = ''
    resync: str = ''
    status: str = 'unknown'
    text: str = ''


def check_pool(pool: Pool) -> str | None:
    """Return why images of the pool cannot be mirrored, None if they can."""
    mode = pool.rbd('mirror_mode_get')
    if mode == pool.module.RBD_MIRROR_MODE_DISABLED:
        return (f'mirroring is not enabled for pool {pool.name}; run: rbd mirror pool enable '
                f'{pool.name} image')
    if mode != pool.module.RBD_MIRROR_MODE_IMAGE:
        return (f'pool {pool.name} mirrors all images that have a journal; run: rbd mirror pool '
                f'enable {pool.name} image')
    if not list(pool.rbd('mirror_peer_list')):
        return (f'pool {pool.name} has no peer; run rbd mirror pool peer bootstrap create on one '
                'cluster and rbd mirror pool peer bootstrap import on the other')
    return None


def enable(pool: Pool, name: str, mode: str) -> bool:
    """Mirror an image; return whether it had a journal before.

    :param mode: JOURNAL or SNAPSHOT
    :raises Invalid: the image has a parent that is not mirrored
    """
    wanted = _mode(pool, mode)
    journal, lock = pool.module.RBD_FEATURE_JOURNALING, pool.module.RBD_FEATURE_EXCLUSIVE_LOCK
    with pool.image(name) as image:
        had_journal = bool(image.features() & journal)
        if _is_enabled(pool, image):
            if image.mirror_image_get_mode() == wanted:
                return had_journal
            image.mirror_image_disable(False)
        if mode == JOURNAL and not had_journal:
            if not image.features() & lock:
                image.update_features(lock, True)
            image.update_features(journal, True)
        image.mirror_image_enable(wanted)
        return had_journal


def disable(pool: Pool, name: str, keep_journal: bool = False) -> None:
    """End the mirroring of an image, and remove its copy; an image that is not mirrored or does not
    exist is a success."""
    journal = pool.module.RBD_FEATURE_JOURNALING
    with contextlib.suppress(errors.NotFound), pool.image(name) as image:
        unschedule(pool, name)
        if _is_enabled(pool, image):
            # Without force, only mirroring of a primary image can be disabled.
            image.mirror_image_disable(not image.mirror_image_get_info().get('primary'))
        if not keep_journal and image.features() & journal:
            image.update_features(journal, False)


def state(pool: Pool, name: str) -> State | None:
    """Return the state of an image; None if it does not exist."""
    try:
        with pool.image(name, read_only=True) as image:
            info = image.mirror_image_get_info()
            enabled = info['state'] == pool.module.RBD_MIRROR_IMAGE_ENABLED
            found = State(str(image.id()), enabled, bool(info.get('primary')),
                          _metadata(image, MARK), _metadata(image, RESYNC))
            if not found.enabled:
                return found
            with contextlib.suppress(errors.NotFound):
                reported = image.mirror_image_get_status()
                return dataclasses.replace(found, status=_status(pool, reported.get('state', 0)),
                                           text=str(reported.get('description', '')))
            return found
    except errors.NotFound:
        return None


def mark(pool: Pool, name: str, longest: float) -> str:
    """Mark a primary image, unless it has a mark that is not older than `longest` seconds; return
    the mark. A copy that has the mark follows the image."""
    with pool.image(name) as image:
        present = _metadata(image, MARK)
        if is_fresh(present, longest):
            return present
        fresh = f'{int(time.time())}:{uuid.uuid4()}'
        image.metadata_set(MARK, fresh)
        if image.mirror_image_get_mode() == pool.module.RBD_MIRROR_IMAGE_MODE_SNAPSHOT:
            image.mirror_image_create_snapshot()
        return fresh


def is_fresh(text: str, longest: float) -> bool:
    """Return whether a mark was made at most `longest` seconds ago."""
    made = text.partition(':')[0]
    return made.isdigit() and 0 <= time.time() - int(made) <= longest


def demote(pool: Pool, name: str) -> None:
    """Allow no more writes to an image, so that a copy can be promoted."""
    with pool.image(name) as image:
        primary = image.mirror_image_get_info().get('primary')
        if not primary and _is_incomplete(image):
            # The process that demoted it was killed. Such a snapshot is never copied.
            image.mirror_image_promote(False)
            primary = True
        if primary:
            image.mirror_image_demote()


def _is_incomplete(image: Any) -> bool:
    """Whether the creation of the last mirror snapshot of an image was interrupted."""
    found = [each['mirror'] for each in image.list_snaps() if each.get('mirror')]
    return bool(found) and not found[-1]['complete']


def promote(pool: Pool, name: str, force: bool = False) -> bool:
    """Allow writes to a copy; return False if it does not have all data yet.

    A copy is certain to have them if it has the mark of the primary image, which was demoted since.

    :param force: whatever data it has
    """
    with pool.image(name) as image:
        if not image.mirror_image_get_info().get('primary'):
            try:
                image.mirror_image_promote(force)
            except errors.CephError as exc:
                if not force and exc.errno in (errno.EBUSY, errno.EROFS):
                    return False
                raise
        for key in (MARK, RESYNC):
            with contextlib.suppress(errors.NotFound, KeyError):
                image.metadata_remove(key)
    return True


def evict(pool: Pool, name: str) -> None:
    """Add the daemon that has a copy open to the blocklist. It connects again as another client.

    While its other cluster does not answer, it keeps the lock of the copy even if that is promoted:
    then the promotion waits for it, or the copy cannot be written.
    """
    for address in images.watchers(pool, name):
        calls.make('Rados.blocklist_add', pool.connection.rados.blocklist_add, address)


def resync(pool: Pool, name: str) -> None:
    """Have the daemon delete a copy and copy the primary image again."""
    with pool.image(name) as image:
        image.mirror_image_resync()


def note_resync(pool: Pool, name: str, ident: str) -> None:
    """Record in the primary image that the copy with this id is deleted to be copied again."""
    with pool.image(name) as image:
        image.metadata_set(RESYNC, ident)


# ------------------------------------------------------------------------------ the whole pool
def summary(pool: Pool) -> dict[str, int]:
    """Return state of mirrored images here -> how many have it."""
    return {_status(pool, number): count
            for number, count in pool.rbd('mirror_image_status_summary')}


def failing(pool: Pool) -> dict[str, str]:
    """Return name of a primary image -> reason why its copy is not kept up to date."""
    found = {}
    for reported in pool.rbd('mirror_image_status_list'):
        if reported['info'].get('primary'):
            reason = _failure(pool, reported)
            if reason:
                found[str(reported['name'])] = reason
    return found


def _failure(pool: Pool, reported: dict[str, Any]) -> str:
    copies = list(reported.get('remote_statuses') or ())
    if not copies:
        return 'the mirror daemon of the other cluster has not reported it'
    for copy in copies:
        status = _status(pool, copy['state'])
        if not copy['up']:
            return 'the mirror daemon of the other cluster does not run'
        if status == 'error':
            return str(copy['description'])
    return ''


# ------------------------------------------------------------------------- snapshots in intervals
def schedule(pool: Pool, name: str, interval: str) -> None:
    """Have the manager daemon create mirror snapshots of an image at this interval, such as
    '5m'."""
    with contextlib.suppress(errors.Exists):
        _manager(pool, 'add', name, interval=interval)


def unschedule(pool: Pool, name: str) -> None:
    """Remove the schedule of mirror snapshots, if there is one and the manager daemon answers."""
    with contextlib.suppress(errors.CephError):
        _manager(pool, 'remove', name)


def _manager(pool: Pool, verb: str, name: str, **arguments: str) -> None:
    prefix = f'rbd mirror snapshot schedule {verb}'
    command = json.dumps({'prefix': prefix, 'level_spec': f'{pool.name}/{name}', **arguments})
    status, _answer, said = calls.make(f'mgr {prefix}', pool.connection.rados.mgr_command, command,
                                       b'')
    if status:
        raise errors.from_number(-status, f'mgr {prefix}', said)


# ------------------------------------------------------------------------------------- details
def _mode(pool: Pool, mode: str) -> int:
    return int(getattr(pool.module, f'RBD_MIRROR_IMAGE_MODE_{mode.upper()}'))


def _is_enabled(pool: Pool, image: Any) -> bool:
    return bool(image.mirror_image_get_info()['state'] == pool.module.RBD_MIRROR_IMAGE_ENABLED)


def _metadata(image: Any, key: str) -> str:
    with contextlib.suppress(KeyError, errors.NotFound):
        return str(image.metadata_get(key))
    return ''


def _status(pool: Pool, number: int) -> str:
    return _names(pool.module).get(number, 'unknown')


def _names(module: Any) -> dict[int, str]:
    return {number: name.removeprefix(_STATES).lower().replace('_', ' ')
            for name, number in _constants(module)}


def _constants(module: Any) -> Iterator[tuple[str, int]]:
    return ((name, getattr(module, name)) for name in dir(module) if name.startswith(_STATES))
