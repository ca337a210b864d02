# SPDX-License-Identifier: Apache-2.0
"""The folder of conversions, which all volume services of a host share: who transfers an image, and
the raw data of images that several volumes need. A living process holds a lock (flock(2)) on each
file that it uses; sweep() removes all others."""
from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from cinder import exception
from cinder.conf import CONF
from cinder.image import image_verification

LOG = logging.getLogger(__name__)
_SHARED, _CLAIM, _FAILED = 'shared-', 'claim', 'failed'
# Data that is shared: that of the disk, and the image as it came, verified.
RAW, SOURCE = 'image', 'source'
# Mark in the names of files that are being made; behind it is the service that makes them.
PART = '.part#'
# Path -> (descriptor with the lock, image id): what this process keeps for other operations.
_kept: dict[str, tuple[int, str]] = {}
_mutex = threading.Lock()


def folder() -> str:
    """Return the folder; it is created if it does not exist."""
    path = os.path.abspath(CONF.image_conversion_dir)
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def open_locked(path: str, flags: int, lock: int = fcntl.LOCK_SH) -> int:
    """Open a file and lock it.

    :raises BlockingIOError: a process has locked it.
    :raises FileNotFoundError: it does not exist, or was removed meanwhile.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
        if not os.fstat(descriptor).st_nlink:
            raise FileNotFoundError(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def close(descriptor: int) -> None:
    """Unlock and close a file, although a process that was forked meanwhile may have it open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def sweep() -> list[str]:
    """Remove what no living process holds; return the paths."""
    removed, inside = [], glob.escape(os.path.abspath(CONF.image_conversion_dir))
    for path in (*glob.glob(os.path.join(inside, f'*{PART}*')),
                 *glob.glob(os.path.join(inside, f'{_SHARED}*'))):
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            descriptor = open_locked(path, os.O_RDWR, fcntl.LOCK_EX)
            try:
                os.unlink(path)
                removed.append(path)
            finally:
                close(descriptor)
    return removed


# --------------------------------------------------------------------------- one image
def path_of(image: Mapping[str, Any], kind: str) -> str:
    """Return the path of a file about the present data of an image."""
    digest = image.get('os_hash_value') or image.get('checksum')
    seen = [digest or image.get('updated_at'), image.get('size'), image.get('disk_format'),
            image.get('container_format'), *map(image.get, image_verification.PROPERTIES),
            CONF.verify_glance_signatures]
    code = hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]
    return os.path.join(folder(), f'{_SHARED}{image["id"]}-{code}.{kind}')


@contextlib.contextmanager
def finished(image: Mapping[str, Any], kind: str = RAW) -> Iterator[int | None]:
    """Yield a descriptor of the verified data of an image; None: there is none.

    :param kind: RAW, or SOURCE as it came.
    """
    try:
        descriptor = open_locked(path_of(image, kind), os.O_RDONLY)
    except (FileNotFoundError, BlockingIOError):
        yield None
        return
    try:
        yield descriptor
    finally:
        close(descriptor)


def failure(image: Mapping[str, Any], operation_id: str) -> exception.CinderException | None:
    """Return the error of the transfer that an operation waited for; None: it did not fail, or not
    because of the image."""
    found = _read(path_of(image, _FAILED))
    if operation_id not in found.get('operations', ()):
        return None
    error = getattr(exception, found['error'], exception.CinderException)
    return error(found['text'], **found['kwargs'])


def under_way(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return 'done' and 'total' (bytes) of the transfer that another operation makes;
    nothing if that is not known."""
    return _read(path_of(image, _CLAIM))


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return {}


class Claim:
    """The right to transfer an image to this host, of one operation at a time.

    :param descriptor: of the locked file.
    """

    def __init__(self, image: Mapping[str, Any], descriptor: int) -> None:
        self._image, self._descriptor = image, descriptor
        self.note(0, 0)

    def note(self, done: int, total: int) -> None:
        """Tell the operations that wait how many bytes are done."""
        text = json.dumps({'done': done, 'total': total}).ljust(80)
        os.pwrite(self._descriptor, text.encode(), 0)

    def publish(self, path: str, kind: str = RAW) -> None:
        """Give verified data to all; this process keeps it until drop_unused().

        :param path: of a file in the folder, which is renamed.
        :param kind: see finished().
        """
        target = path_of(self._image, kind)
        os.rename(path, target)
        _keep(target, self._image['id'])

    def fail(self, exc: exception.CinderException, operations: Collection[str]) -> None:
        """Give the reason of a failure to the operations that wait for this transfer.

        :param operations: their ids.
        """
        kwargs = {name: str(value) for name, value in exc.kwargs.items()}
        target = path_of(self._image, _FAILED)
        part = f'{target}{PART}{secrets.token_hex(4)}'
        with open(part, 'w', encoding='utf-8') as file:
            json.dump({'operations': list(operations), 'error': type(exc).__name__,
                       'text': str(exc), 'kwargs': kwargs}, file)
        os.rename(part, target)
        _keep(target, self._image['id'])


@contextlib.contextmanager
def claimed(image: Mapping[str, Any]) -> Iterator[Claim | None]:
    """Claim the transfer of an image for the duration of a block; yield None when another operation
    of this host has it. The kernel ends the claim of a process that dies."""
    path = path_of(image, _CLAIM)
    try:
        descriptor = open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
    except (BlockingIOError, FileNotFoundError):
        yield None
        return
    try:
        yield Claim(image, descriptor)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        close(descriptor)


def _keep(path: str, image_id: str) -> None:
    with contextlib.suppress(FileNotFoundError, BlockingIOError), _mutex:
        former = _kept.pop(path, None)
        if former:
            close(former[0])
        _kept[path] = open_locked(path, os.O_RDONLY), image_id


def drop_unused(is_needed: Callable[[str], bool]) -> None:
    """Remove what this process keeps and no operation needs any more.

    :param is_needed: function(image id).
    """
    with _mutex:
        found = {image_id for _descriptor, image_id in _kept.values()}
    unused = {image_id for image_id in found if not is_needed(image_id)}
    with _mutex:
        for path in [path for path, (_fd, image_id) in _kept.items() if image_id in unused]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            close(_kept.pop(path)[0])
