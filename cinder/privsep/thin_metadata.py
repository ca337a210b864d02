# SPDX-License-Identifier: Apache-2.0
"""Reads which blocks of a thin volume are mapped, or differ from those of another volume of its
pool, from a snapshot of the metadata of the pool. Brick decides which volumes."""
import array
import os
import re
import subprocess  # nosec B404 # only its constant PIPE
import time
from collections.abc import Iterator
from typing import IO
from xml.parsers import expat  # nosec B406 # of a program of the system, about numbers

from cinder import privsep
from cinder.privsep import command

# Seconds for which the metadata may be read. A pool with a metadata snapshot copies each block of
# its metadata before the block changes.
LONGEST = 240
# Ranges that are returned; of more, neighbours become one.
LIMIT = 500_000
SECTOR = 512

# The script releases the metadata snapshot even if this service is killed: it ignores signals to
# our process group. Its first argument is not 0 if an earlier one is left, which nothing reads.
_SCRIPT = '''
trap '' HUP INT TERM PIPE
left=$1 pool=$2; shift 2
test "$left" = 0 || dmsetup message "$pool" 0 release_metadata_snap
dmsetup message "$pool" 0 reserve_metadata_snap >&2 || exit 1
timeout -s KILL "$0" "$@"
status=$?
dmsetup message "$pool" 0 release_metadata_snap >&2 || exit 1
exit $status
'''
_NAME = re.compile(r'[A-Za-z0-9+_.][A-Za-z0-9+_.-]*')
_CHUNK = 256 * 1024


class UnreadableError(ValueError):
    """The output of a program is not what was expected."""


def read(pool: str, thin_id: int, base: int | None = None,
         left: bool = False) -> tuple[int, 'array.array[int]']:
    """Return the size of a block in bytes, and the first block and the number of blocks of each
    range, in order: one number after the other.

    :param pool: name of the pool in device mapper
    :param thin_id: device id of a volume, which must not change
    :param base: device id of another one: then the ranges are those in which the two differ
    :param left: release a metadata snapshot that a former process left
    :raises ValueError: it cannot be read, with the reason
    """
    block, ranges = _read(pool, thin_id, base, left)
    if not block:
        raise UnreadableError(ranges.decode())
    return block, array.array('Q', ranges)


@privsep.sys_admin_pctxt.entrypoint
def _read(pool: str, thin_id: int, base: int | None, left: bool) -> tuple[int, bytes]:
    """:returns: see read(); (0, reason) after a failure"""
    if not _NAME.fullmatch(pool):
        return 0, f'invalid name of a device: {pool}'.encode()
    device = f'{pool}-tpool' if os.path.exists(f'/dev/mapper/{pool}-tpool') else pool
    what = (['thin_dump', '-m', '--dev-id', str(int(thin_id))] if base is None else
            ['thin_delta', '-m', '--thin1', str(int(base)), '--thin2', str(int(thin_id))])
    process = command.start_script(
        _SCRIPT, str(LONGEST), str(int(left)), device, *what, f'/dev/mapper/{pool}_tmeta',
        programs=('dmsetup', what[0]), output=subprocess.PIPE)
    found = Found(thin_id)
    try:
        found.feed(process.stdout)
    except (UnreadableError, expat.ExpatError) as exc:
        found.trouble = str(exc)
    process.stdout.close()
    _code, _out, errors = command.finish(process, None, None)
    if process.returncode:
        found.trouble = f'{what[0]}: {errors.strip()} (exit code {process.returncode})'
    if found.trouble or not found.is_complete:
        return 0, (found.trouble or f'{what[0]} has no device {thin_id} in its output').encode()
    return found.block, found.ranges.tobytes()


class Found:
    """The content of the XML of thin_dump, or of thin_delta without --verbose.

    :param thin_id: device id of the volume
    :ivar block: size of a block in bytes
    :ivar ranges: see read()
    :ivar is_complete: whether it describes this volume
    """

    def __init__(self, thin_id: int, limit: int = LIMIT) -> None:
        self.block, self.ranges = 0, array.array('Q')
        self.is_complete, self.trouble = False, ''
        self._wanted, self._limit, self._grain = str(thin_id), limit, 1
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._element

    def feed(self, stream: IO[bytes]) -> None:
        """Read the XML to its end.

        :raises UnreadableError, ExpatError: it is something else
        """
        while piece := stream.read(_CHUNK):
            self._parser.Parse(piece)
            time.sleep(0)  # other threads of a process of root, which may be green
        self._parser.Parse(b'', True)

    def _element(self, name: str, values: dict[str, str]) -> None:
        match name:
            case 'range_mapping':
                self._add(int(values['origin_begin']), int(values['length']))
            case 'single_mapping':
                self._add(int(values['origin_block']), 1)
            case 'different' | 'left_only' | 'right_only':
                self._add(int(values['begin']), int(values['length']))
            case 'superblock':
                self.block = int(values['data_block_size']) * SECTOR
            case 'device':
                self.is_complete = values['dev_id'] == self._wanted
            case 'diff':
                self.is_complete = values['right'] == self._wanted
            case 'same':
                pass
            case _:
                # Such as <ref>, which stands for ranges that another element has.
                raise UnreadableError(f'unexpected element <{name}>')

    def _add(self, begin: int, length: int) -> None:
        end = -(-(begin + length) // self._grain) * self._grain
        begin -= begin % self._grain
        ranges = self.ranges
        if ranges:
            last = ranges[-2] + ranges[-1]
            if begin <= last:
                ranges[-1] = max(end, last) - ranges[-2]
                return
        ranges.extend((begin, end - begin))
        if len(ranges) > 2 * self._limit:
            self._grain *= 2
            self.ranges = array.array('Q')
            for old, size in _pairs(ranges):
                self._add(old, size)


def _pairs(numbers: 'array.array[int]') -> Iterator[tuple[int, int]]:
    return zip(numbers[::2], numbers[1::2], strict=True)
