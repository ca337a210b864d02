# SPDX-License-Identifier: Apache-2.0
"""What a format is asked to do and what it answers: plain data, shared with the callers."""
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from cinder.backup.volume_data import Range, Readable, Writable

# Bytes of the volume that are done, of how many, and the number of objects in the store. It is
# called often, and may raise to interrupt the work.
Progress = Callable[[int, int, int], None]


@dataclasses.dataclass(frozen=True)
class Source:
    """A volume or snapshot that does not change while it is read.

    :param data: where it is read
    :param size: bytes
    :param mapped: ranges (offset, length) in bytes, in order; all else reads as zeros. None: it is
        not known (the data may know it)
    :param changed: ranges (offset, length) outside of which the data equal those of the parent.
        None: it is not known, and all is compared by hash
    :param identity: text that is the same as long as the data is; a write goes on only if it finds
        the one with which it began
    """

    data: Readable
    size: int
    mapped: Iterable[Range] | None = None
    changed: Iterable[Range] | None = None
    identity: str = ''


@dataclasses.dataclass(frozen=True)
class Target:
    """A volume that is written.

    :param data: where it is written
    :param size: bytes, at least those of the backup; what is behind those is left as it is
    :param zeroed: whether all of it reads as zeros now
    :param confirm: called before each change, in any thread; raises when the volume may belong to
        its user by now
    """

    data: Writable
    size: int
    zeroed: bool = False
    confirm: Callable[[], object] = lambda: None


@dataclasses.dataclass(frozen=True)
class Written:
    """The result of write().

    :param object_count: objects that hold data of the volume
    :param plain_bytes: bytes of the volume that these objects hold
    :param stored_bytes: bytes of these objects in the store, as far as this call wrote them
    :param read_bytes: bytes of the volume that this call read
    """

    object_count: int
    plain_bytes: int
    stored_bytes: int
    read_bytes: int


@dataclasses.dataclass(frozen=True)
class Found:
    """A complete backup in the store.

    :param object_count: objects that hold data of the volume
    :param volume_meta: what it knows of its volume, see volume_meta.of()
    """

    object_count: int
    volume_meta: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of verify().

    :param objects: objects that were read
    :param total: objects of the chain
    :param plain_bytes: bytes of the volume that the objects read hold
    :param problems: one line for each fault, with object and offset; empty: all is well
    """

    objects: int
    total: int
    plain_bytes: int
    problems: tuple[str, ...]
