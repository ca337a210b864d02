# SPDX-License-Identifier: Apache-2.0
"""A corpus of hostile and broken images, each made by a few lines: what the image service says of
it, its bytes, and what must become of it.

all_cases() is the table. A case is refused with a reason, or has the bytes of the model.
"""
import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

KIB, MIB, GIB = 1024, 1024 ** 2, 1024 ** 3
# The size of most disks, and what they begin with; all else in them is zeros.
SIZE = MIB
PATTERN = bytes(range(1, 256)) * 16 + bytes(range(16))
# Most bytes of a disk that the volume of a case has room for.
ROOM = 64 * MIB
# Files that the images name: on the way to any of them is a trap.
PASSWD = '/etc/passwd'
TRAP = '/tmp/hostile-images-trap'
_MODULES = ('qcow2', 'vmdk', 'vmdk_names', 'vdi', 'vhd', 'vhdx', 'plain', 'compressed', 'served')
# Where a case is refused, in the order of the steps.
PROPERTIES, TRANSFER, INSPECTION, CONVERSION = range(4)


class Case(NamedTuple):
    """One image.

    :param name: unique, says what is wrong with it
    :param data: makes its bytes
    :param refused: pattern of the reason with which it is refused; '' if it is taken
    :param at: the step that refuses it
    :param disk: what its disk begins with, if it is taken
    :param size: bytes of its disk then
    :param said: what the image service says of it, beside the truth
    """

    name: str
    disk_format: str
    data: Callable[[], bytes]
    refused: str = ''
    at: int = INSPECTION
    disk: bytes = PATTERN
    size: int = SIZE
    said: Mapping[str, Any] = {}

    def image(self, data: bytes) -> dict[str, Any]:
        """Return the image as the image service describes it."""
        return {'id': self.name.replace(' ', '-').replace('/', '-'), 'status': 'active',
                'disk_format': self.disk_format, 'container_format': 'bare', 'size': len(data),
                'checksum': None, 'min_disk': 0, **self.said}


@functools.cache
def all_cases() -> list[Case]:
    """Return the corpus."""
    return [case for name in _MODULES
            for case in importlib.import_module(f'tests.hostile_images.{name}').cases()]


def patched(data: bytes, *patches: tuple[int, bytes]) -> bytes:
    """Return the data with other bytes at some offsets; it grows as needed."""
    made = bytearray(data)
    for offset, new in patches:
        made.extend(bytes(max(0, offset - len(made))))
        made[offset:offset + len(new)] = new
    return bytes(made)
