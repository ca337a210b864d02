# SPDX-License-Identifier: Apache-2.0
"""Clears and copies block devices with dd. It does not know volume groups; the caller decides
whether a device may be changed."""
import os
import shlex
import stat
from collections.abc import Callable

from cinder.brick.local_dev.throttle import MIB, UNLIMITED, Throttle
from cinder.privsep import command


class Blocks:
    """Clears and copies the devices of one back end.

    :param execute: as command.execute
    :param blocksize: size of each read and write, in the format of dd
    :param clear: 'zero', or 'none' to leave the data of a deleted volume on the disk
    :param clear_mib: MiB at the start of a device to clear; 0: the whole device
    :param ionice: options of ionice(1) for clearing, for instance '-c3'
    :param throttle: limits the copies
    """

    def __init__(self, execute: Callable = command.execute, blocksize: str = '1M',
                 clear: str = 'zero', clear_mib: int = 0, ionice: str | None = None,
                 throttle: Throttle = UNLIMITED) -> None:
        self._execute = execute
        self._blocksize = blocksize
        self._clear_bytes = clear_mib * MIB
        self._prefix = ('ionice', *shlex.split(ionice)) if ionice else ()
        self.clears = clear == 'zero'
        self._throttle = throttle

    def clear(self, path: str, size: int) -> None:
        """Overwrite a device of `size` bytes with zeros, as configured.

        :raises ProcessExecutionError: dd failed
        """
        if self.clears:
            self._dd('/dev/zero', path, min(size, self._clear_bytes or size), '', self._prefix)

    def copy(self, source: str, target: str, size: int) -> None:
        """Copy `size` bytes.

        :raises ProcessExecutionError: dd failed
        """
        for start, piece in self._throttle.pieces(size):
            self._dd(source, target, piece, ',fullblock,direct', (), start)

    def copy_range(self, source: str, target: str, start: int, size: int,
                   skip_zeros: bool) -> None:
        """Copy `size` bytes from `start` on, between existing devices or files.

        :param skip_zeros: the target reads zeros where it was not written
        :raises ProcessExecutionError: dd failed
        """
        flags = [',direct' if stat.S_ISBLK(os.stat(path).st_mode) else ''
                 for path in (source, target)]
        for offset, piece in self._throttle.pieces(size):
            self._execute(
                *command.DIES_WITH_US, 'dd', f'if={source}', f'of={target}',
                f'bs={self._blocksize}', f'count={piece}', f'skip={start + offset}',
                f'seek={start + offset}', f'iflag=count_bytes,skip_bytes,fullblock{flags[0]}',
                f'oflag=seek_bytes{flags[1]}',
                f'conv=fdatasync,notrunc{",sparse" if skip_zeros else ""}',
                run_as_root=True, timeout=None)

    def _dd(self, source: str, target: str, size: int, iflag: str, prefix: tuple[str, ...],
            start: int = 0) -> None:
        # direct keeps gigabytes of data out of the page cache; fdatasync makes sure that completed
        # work survives a power failure.
        place = (f'skip={start}', f'seek={start}') if start else ()
        iflag, oflag = (f'{iflag},skip_bytes', ',seek_bytes') if start else (iflag, '')
        self._execute(*command.DIES_WITH_US, *prefix, 'dd', f'if={source}', f'of={target}',
                      f'bs={self._blocksize}', f'count={size}', *place,
                      f'iflag=count_bytes{iflag}', f'oflag=direct{oflag}',
                      'conv=fdatasync,notrunc', run_as_root=True, timeout=None)
