# SPDX-License-Identifier: Apache-2.0
"""Gives images of the corpus to the functions that make a disk of an image.

As a program it does so with all of them, one after another, and prints a line of JSON for each:
what became of it and what it cost. At last it converts one that nobody has looked into.
"""
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from oslo_concurrency import processutils

from cinder import exception
from cinder.conf import CONF
from cinder.image import image_properties
from cinder.privsep import command
from tests import process_memory
from tests.fakes import image_disk
from tests.hostile_images import MIB, ROOM, TRAP, Case, all_cases, qcow2

# Whether there are such files is asked where a case begins, for who reads the calls of the process.
MARK, CONTROL = '/case/', 'control'


class Service:
    """An image service with one image."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def download(self, _image_id: str) -> Iterator[bytes]:
        for start in range(0, len(self._data), MIB):
            yield self._data[start:start + MIB]


def run(case: Case, data: bytes) -> tuple[str, int]:
    """Have a disk made of an image.

    :returns: what is wrong with it, '' if it is taken; the bytes of the disk.
    :raises AssertionError: the disk has other bytes than the model
    """
    image = case.image(data)
    try:
        image_properties.require_usable(image, 1)
        with image_disk.made(Service(data), image, ROOM) as path:
            if case.disk is not None:
                require_disk(path, case)
            return '', os.stat(path).st_size
    except (exception.ImageUnacceptable, exception.ImageServiceUnavailable) as exc:
        return str(exc), 0


def require_disk(path: str, case: Case) -> None:
    """:raises AssertionError: a file is not the disk that a case should become"""
    with open(path, 'rb') as file:
        assert file.read(len(case.disk)) == case.disk, f'{case.name}: its disk begins otherwise'
        rest = file.read()
        assert rest.count(0) == len(rest), f'{case.name}: more than its data is in its disk'
        assert file.tell() == case.size, f'{case.name}: {file.tell()} bytes'


class Disk:
    """Measures the files that go, which is the only time at which all of them are complete."""

    def __init__(self) -> None:
        self.most, self._unlink = 0, os.unlink
        os.unlink = self._measure

    def _measure(self, path: str, **kwargs: Any) -> None:
        found = os.stat(path)
        self.most = max(self.most, found.st_blocks * 512)
        self._unlink(path, **kwargs)


def main(folder: str) -> None:
    CONF([], default_config_files=[])
    CONF.set_override('image_conversion_dir', folder)
    CONF.set_override('glance_num_retries', 0)
    disk = Disk()
    for case in all_cases():
        os.access(MARK + case.name, os.R_OK)
        sys.stdout.write(json.dumps(_outcome(case, disk)) + '\n')
    used = max(process_memory.most_kibibytes(),
               resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    os.access(MARK + CONTROL, os.R_OK)
    _follow_a_backing_file(folder)
    sys.stdout.write(json.dumps({'memory': used * 1024}) + '\n')


def _outcome(case: Case, disk: Disk) -> dict[str, Any]:
    data = case.data()
    disk.most, begun, before = 0, time.process_time(), _cpu_of_programs()
    try:
        said, size = run(case, data)
    except Exception as exc:  # the test tells it
        said, size = f'{type(exc).__name__}: {exc}', -1
    return {'name': case.name, 'said': said, 'size': size, 'disk': disk.most,
            'cpu': time.process_time() - begun + _cpu_of_programs() - before}


def _cpu_of_programs() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _follow_a_backing_file(folder: str) -> None:
    """Convert an image that nobody has looked into, as a control of who watches."""
    path, target = os.path.join(folder, 'control'), os.path.join(folder, 'made')
    trap = TRAP.encode()
    with open(path, 'wb') as file:
        file.write(qcow2.make((qcow2.NAME, trap), backing=qcow2.NAME, backing_length=len(trap)))
    with contextlib.suppress(processutils.ProcessExecutionError):  # the file need not exist
        command.execute('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', path, target)
    for name in (path, target):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


if __name__ == '__main__':
    main(sys.argv[1])
