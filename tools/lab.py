# SPDX-License-Identifier: Apache-2.0
"""A machine with device mapper and a disk to spare, for one command: this one with a loop device,
or a guest of user-mode Linux. What is run there, tools/lvm-lab and tests/lvm decide."""

import os
import pathlib
import shutil
import subprocess

from tools import guest, machine, room

ROOT, DEVICE = machine.ROOT, machine.DEVICE
Lab, Broken = machine.Lab, machine.Broken
# Program, or file -> the Debian package that has it.
_NEEDED = {'lvm': 'lvm2', 'thin_check': 'thin-provisioning-tools', 'tgtd': 'tgt',
           'iscsid': 'open-iscsi', 'setpriv': 'util-linux'}


def inside() -> bool:
    """Return whether this process runs in a lab already."""
    return DEVICE in os.environ


def lacking() -> list[str]:
    """Return the Debian packages that are missing for a lab."""
    needed = _NEEDED if _has_device_mapper() else _NEEDED | guest.NEEDED
    return [package for name, package in needed.items()
            if not shutil.which(name, path=machine.PATH) and not os.path.exists(name)]


def obstacle(labs: int = 1) -> str | None:
    """Return in one line why this machine cannot have labs, and what to do; None when it can.

    :param labs: how many at a time
    """
    if not _has_device_mapper() and not guest.fits_processor():
        return guest.OTHER_PROCESSOR
    if missing := lacking():
        return f'a lab needs more packages: apt-get install {" ".join(missing)}'
    folder = room.temporary_folder()
    if folder is None:
        return 'a lab needs a folder for temporary files that it can write to; set TMPDIR'
    if room.in_folder(folder) < labs * machine.LEAST_DISK:
        return (f'a lab needs {labs * machine.LEAST_DISK // room.MIB} MiB in {folder}, where '
                f'{room.in_folder(folder) // room.MIB} MiB are free; set TMPDIR to another folder')
    return None if _has_device_mapper() else guest.obstacle(folder, labs)


def open_lab(number: int = 0, labs: int = 1) -> machine.Lab:
    """Return the lab that this machine can offer, not started yet.

    :param number: labs of different numbers run on different processors
    :param labs: how many share the memory of this machine
    """
    return machine.LoopLab() if _has_device_mapper() else guest.GuestLab(number, labs)


def separate() -> bool:
    """Whether several labs at a time do not see each other's volumes."""
    return not _has_device_mapper()


def _has_device_mapper() -> bool:
    """Whether this machine has it and lets us use it."""
    if os.geteuid():
        return False
    subprocess.run(['modprobe', '-qa', 'loop', 'dm-mod'], capture_output=True, check=False)
    return ('device-mapper' in pathlib.Path('/proc/misc').read_text()
            and os.path.exists('/dev/loop-control'))
