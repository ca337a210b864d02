# SPDX-License-Identifier: Apache-2.0
"""Encrypted logical volumes as a host reads them, through dm-crypt of the kernel: copies with keys
of their own, and data that this service has encrypted and decrypted.

LVM_LAB_FULL=yes tries thin and thick volumes with both formats, else thin ones with LUKS 1.
"""
import contextlib
import os
import subprocess

import pytest

from cinder.objects.encryption_formats import LUKS1, LUKS2, Format
from cinder.volume.data import encrypted_copy, own_keys
from cinder.volume.data.encrypted_copy import Side
from tests.fakes import volumes
from tests.lvm import group

FULL = os.environ.get('LVM_LAB_FULL') == 'yes'
MIB = 1024 ** 2
# Of the small GiB of the lab: the header of LUKS 2 takes 16 MiB.
SIZE, LARGER = 4, 6
PLACES = (0, 5 * MIB + 4096)
CASES = [('thin', LUKS1)]
if FULL:
    CASES += [('thin', LUKS2), ('default', LUKS1), ('default', LUKS2)]


@pytest.fixture(params=CASES, ids=lambda case: '-'.join(case))
def place(request, without_udev, monkeypatch):
    """Yield (storage, format)."""
    subprocess.run(['modprobe', '-a', 'dm-crypt', 'xts'], check=False)
    lvm_type, kind = request.param
    # No process answers what waits for udev.
    monkeypatch.setenv('DM_DISABLE_UDEV', '1')
    group.make()
    group.scale_down(monkeypatch)
    yield group.Storage(lvm_type=lvm_type), kind
    group.clear()


class Host:
    """A host that uses encrypted volumes."""

    def __init__(self, storage, kind):
        self.storage, self.kind = storage, kind

    def format(self, volume, secret):
        self._run('luksFormat', volume, secret, '--type', self.kind, '--pbkdf', 'pbkdf2',
                  '--pbkdf-force-iterations', '1000')

    @contextlib.contextmanager
    def opened(self, volume, secret):
        self._run('open', volume, secret, more=('test-crypt',))
        try:
            yield '/dev/mapper/test-crypt'
        finally:
            group.run('cryptsetup', 'close', 'test-crypt')

    def write(self, volume, secret):
        data = [os.urandom(MIB) for _place in PLACES]
        with self.opened(volume, secret) as device, open(device, 'r+b') as file:
            for where, each in zip(PLACES, data, strict=True):
                file.seek(where)
                file.write(each)
            file.flush()
            os.fsync(file.fileno())
        return data

    def check(self, volume, secret, data, *others):
        """Only this secret opens the volume, and its data is this."""
        with self.opened(volume, secret) as device:
            assert _read(device) == data
        for other in others:
            assert self._try('open --test-passphrase', volume, other).returncode

    def _run(self, verb, volume, secret, *arguments, more=()):
        done = self._try(verb, volume, secret, *arguments, more=more)
        assert done.returncode == 0, done.stderr

    def _try(self, verb, volume, secret, *arguments, more=()):
        return subprocess.run(
            ['cryptsetup', '--batch-mode', *verb.split(), *arguments, '--key-file', '-',
             self.storage.path(volume), *more], input=secret, capture_output=True, check=False,
            timeout=60)


def _read(device):
    with open(device, 'rb') as file:
        return [(file.seek(where), file.read(MIB))[1] for where in PLACES]


def test_copies_have_keys_of_their_own(place):
    storage, kind = place
    host, driver = Host(storage, kind), storage.driver
    one, two, three = (os.urandom(32).hex().encode() for _number in range(3))
    volume, clone, made = (volumes.volume(SIZE) for _number in range(3))
    driver.create_volume(volume)
    host.format(volume, one)
    data = host.write(volume, one)
    driver.create_cloned_volume(clone, volume)
    snapshot = storage.snapshot(volume)
    driver.create_volume_from_snapshot(made, snapshot)
    for copy, secret in ((clone, two), (made, three)):
        assert own_keys._change(storage.path(copy), one, secret)
    driver.extend_volume(clone, LARGER)
    host.write(volume, one)
    driver.revert_to_snapshot(volume, snapshot)
    host.check(volume, one, data, two, three)
    host.check(clone, two, data, one, three)
    host.check(made, three, data, one, two)
    # As a backup and its restore do: the bytes with their header.
    restored = volumes.volume(SIZE)
    driver.create_volume(restored)
    with (open(driver.open_snapshot(snapshot), 'rb') as source,
          open(storage.path(restored), 'r+b') as target):
        target.write(source.read())
    driver.close_snapshot(snapshot)
    host.check(restored, one, data, two)


@pytest.mark.skipif(not FULL, reason='LVM_LAB_FULL=yes')
def test_what_this_service_encrypts_is_read_by_the_kernel(place):
    storage, kind = place
    other = {LUKS1: LUKS2, LUKS2: LUKS1}[kind]
    data, present, secret = [os.urandom(MIB) for _place in PLACES], None, b''
    for number, wanted in enumerate((None, kind, other, None)):
        volume, new = volumes.volume(SIZE if number else SIZE - 2), os.urandom(32).hex().encode()
        storage.driver.create_volume(volume)
        if present is None:
            with open(storage.path(volume), 'r+b') as file:
                for where, each in zip(PLACES, data, strict=True):
                    file.seek(where)
                    file.write(each)
        else:
            list(encrypted_copy.copy(
                _side(storage, *present, secret), _side(storage, volume, wanted, new),
                reads_zeros=storage.driver.sparse_copy))
        if wanted:
            Host(storage, wanted).check(volume, new, data, b'another')
        else:
            assert _read(storage.path(volume)) == data
        present, secret = (volume, wanted), new


def _side(storage, volume, kind, secret):
    return Side(storage.path(volume), volume.size * group.UNIT,
                Format(kind, 64) if kind else None, secret)
