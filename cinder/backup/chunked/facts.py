# SPDX-License-Identifier: Apache-2.0
"""What the format is asked to do and what it answers: plain data, shared with the callers."""
import dataclasses
from collections.abc import Callable, Iterable

Range = tuple[int, int]
# Bytes of the volume that are done, of how many, and the number of objects in the store. It is
# called often, and may raise to interrupt the work.
Progress = Callable[[int, int, int], None]


@dataclasses.dataclass(frozen=True)
class Source:
    """A volume or snapshot that does not change while it is read.

    :param descriptor: of a file or device, open for reading; it stays open
    :param size: bytes
    :param mapped: ranges (offset, length) in bytes, in order; all else reads as zeros. None: it is
        not known (holes of a sparse file are found here)
    :param changed: ranges (offset, length) outside of which the data equal those of the parent.
        None: it is not known, and all is compared by hash
    :param identity: text that is the same as long as the data is; a write goes on only if it finds
        the one with which it began
    """

    descriptor: int
    size: int
    mapped: Iterable[Range] | None = None
    changed: Iterable[Range] | None = None
    identity: str = ''


@dataclasses.dataclass(frozen=True)
class Target:
    """A volume that is written.

    :param descriptor: of a file or device, open for reading and writing; it stays open
    :param size: bytes, at least those of the backup; what is behind those is left as it is
    :param zeroed: whether all of it reads as zeros now
    :param confirm: called before each change, in any thread; raises when the volume may belong to
        its user by now
    """

    descriptor: int
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
