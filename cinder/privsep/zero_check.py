# SPDX-License-Identifier: Apache-2.0
"""Checks by samples whether a device reads zeros: at both ends and at places in between. It only
reads; the driver decides what to do about other data."""
import os

from cinder import concurrency, privsep

MIB = 1024 ** 2
_SAMPLE = 64 * 1024
_SAMPLES = 32


def first_written(path: str, size: int) -> int | None:
    """Return the offset of the first sample of a device of `size` bytes that is not all zeros, else
    None.

    :raises OSError: the device cannot be read
    """
    return _look(path, size)


@privsep.as_root_pctxt.entrypoint
def _look(path: str, size: int) -> int | None:
    # If this process itself is privileged, its threads may be green, and a disk may be slow.
    return concurrency.call(_read, path, size)


def _read(path: str, size: int) -> int | None:
    device = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(device, 0, 0, os.POSIX_FADV_RANDOM)
        for offset, length in _places(size):
            if any(os.pread(device, length, offset)):
                return offset
        return None
    finally:
        os.close(device)


def _places(size: int) -> list[tuple[int, int]]:
    """Return (offset, bytes) of the samples: the first and the last MiB, and some at equal
    distances in between."""
    step = max(size // _SAMPLES // _SAMPLE * _SAMPLE, _SAMPLE)
    return [(0, MIB), *((offset, _SAMPLE) for offset in range(step, size, step)),
            (max(size - MIB, 0), MIB)]
