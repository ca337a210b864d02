# SPDX-License-Identifier: Apache-2.0
"""The one place through which all calls to librados and librbd go: it counts them, confirms first
that the work is still owned, marks the fault points ceph:CALL:before and ceph:CALL:after, and
translates their errors."""
from __future__ import annotations

import collections
import contextlib
import errno
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from cinder import concurrency, fault_points, metrics, ownership
from cinder.brick.ceph import errors

T = TypeVar('T')

# Name of a call, such as 'Image.resize' -> how often this process has made it.
counts: collections.Counter[str] = collections.Counter()
# Calls that make an image. Its id has 32 random bits beside the number of the client: of a client
# that makes 80,000 images, half meet one that exists, and the cluster refuses it with EBADF.
_MAKING = frozenset(('RBD.create', 'RBD.clone', 'Image.deep_copy'))
_lock = concurrency.original('threading').Lock()


def make(name: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function of librados or librbd; once more if it makes an image and the id that was
    chosen for it exists.

    :param name: name of the call, for counts and errors
    :raises CephError: the call failed
    :raises OperationLost: the work of this thread is no longer owned; nothing was called
    """
    try:
        return _make(name, function, *args, **kwargs)
    except errors.CephError as exc:
        if exc.errno != errno.EBADF or name not in _MAKING:
            raise
    return _make(name, function, *args, **kwargs)


def _make(name: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    ownership.confirm()
    with _lock:
        counts[name] += 1
    try:
        with (metrics.timed('cinder_ceph_call', name, error=_kind_of_error),
              fault_points.around(f'ceph:{name}')):
            return function(*args, **kwargs)
    except Exception as exc:
        found = errors.translated(exc, name)
        if found is None:
            raise
        raise found from exc


def _kind_of_error(exc: BaseException) -> str:
    """Return the name of our class of an error, for the metrics."""
    found = errors.translated(exc, '') if isinstance(exc, Exception) else None
    return type(found or exc).__name__


@contextlib.contextmanager
def counted() -> Iterator[collections.Counter[str]]:
    """Yield a counter that has, when the block has ended, the calls that this process made in
    it."""
    before, made = counts.copy(), collections.Counter[str]()
    try:
        yield made
    finally:
        made.update(counts - before)


class Traced:
    """An object of librados or librbd whose methods are called through make()."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self._kind = type(target).__name__

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(make, f'{self._kind}.{name}', getattr(self.target, name))
