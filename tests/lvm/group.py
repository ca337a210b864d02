# SPDX-License-Identifier: Apache-2.0
"""A real volume group on the lab's disk, and drivers on it. A "GiB" of these drivers is only 8 MiB:
what is thick is cleared and copied for real, and the lab's processor is slow."""
import json
import os
import shutil
import subprocess

from cinder.volume.drivers import exported, lvm, lvm_audit, manageable
from tests.fakes import volumes
from tests.unit.volume import driver_contract as contract
from tools import lab

NAME = 'lab'
POOL = f'{NAME}-pool'
UNIT = 8 * 1024 ** 2
_SAMPLE = 8192


def run(*argv: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{argv}: {done.stdout}{done.stderr}'
    return done.stdout


def make() -> None:
    """An empty group, whatever was there before."""
    subprocess.run(['vgremove', '-qq', '-ff', '-y', NAME], capture_output=True, check=False)
    # Links of volumes that were made while udev was away, and are gone since it is back.
    shutil.rmtree(f'/dev/{NAME}', ignore_errors=True)
    run('vgcreate', '-qq', NAME, os.environ[lab.DEVICE])


def volumes_of_group() -> dict[str, dict[str, str]]:
    """What is in the group, by name, pools apart: rows of lvs."""
    report = json.loads(run('lvs', '--reportformat', 'json', '--units', 'b', '--nosuffix', '-o',
                            'lv_name,lv_size,lv_active,origin,pool_lv', NAME))
    return {row['lv_name']: row for row in report['report'][0]['lv'] if row['lv_name'] != POOL}


def clear() -> None:
    """Take away what tests left, except a pool."""
    run('lvremove', '-qq', '-ff', '-y', '-S', f'lv_name!={POOL}', NAME)


def driver(**options) -> lvm.LVMVolumeDriver:
    """A driver on the group that has looked at it."""
    made = lvm.LVMVolumeDriver(volumes.options(**{'volume_group': NAME, **options}),
                               host='node@lvm')
    made.do_setup(None)
    made.check_for_setup_error()
    return made


def scale_down(patch) -> None:
    """Make a GiB of the drivers small, for one test."""
    for module in (lvm, lvm_audit, exported, manageable):
        patch.setattr(module, 'GIB', UNIT)


class Storage(contract.Storage):
    """What the contract of drivers wants to see, on real devices."""

    ATTEMPTS = 1

    def __init__(self, **options):
        self.driver = driver(**options)

    def path(self, resource):
        """Its device, made to appear where activation is to be skipped; None without one."""
        for name in (resource.name, f'_{resource.name}'):
            path = f'/dev/{NAME}/{name}'
            if not os.path.exists(path) and name in volumes_of_group():
                run('lvchange', '-ay', '-K', f'{NAME}/{name}')
            if os.path.exists(path):
                return path
        return None

    def write(self, resource, data):
        self.write_all(resource, data.ljust(_SAMPLE, b'\0'))

    def write_all(self, resource, data):
        with open(self.path(resource), 'r+b', buffering=0) as device:
            assert device.write(data) == len(data)
            os.fsync(device.fileno())

    def read(self, resource, length):
        with open(self.path(resource), 'rb', buffering=0) as device:
            return device.read(length)

    def try_to_write(self, path):
        with open(path, 'r+b', buffering=0) as device:
            device.write(bytes(_SAMPLE))

    def size(self, resource):
        path = self.path(resource)
        if path is None:
            return None
        with open(path, 'rb') as device:
            return device.seek(0, os.SEEK_END) // UNIT

    def names(self):
        return sorted(volumes_of_group())

    def elsewhere(self, size):
        return self.driver.local_path(self.volume(size))

    def read_at(self, path, length):
        with open(path, 'rb', buffering=0) as device:
            return device.read(length)

    def foreign(self, name, size, data=b''):
        kind = ['-T', f'{NAME}/{POOL}', '-V'] if self.driver.sparse_copy else [NAME, '-y', '-L']
        run('lvcreate', '-qq', '-n', name, *kind, f'{int(size * UNIT)}b')
        if data:
            with open(f'/dev/{NAME}/{name}', 'r+b', buffering=0) as device:
                device.write(data.ljust(_SAMPLE, b'\0'))
