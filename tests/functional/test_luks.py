# SPDX-License-Identifier: Apache-2.0
"""Encrypted disks that this service makes are opened by QEMU and cryptsetup, as hosts open them;
headers that cryptsetup has made get another passphrase, and cryptsetup opens them with it."""
import functools
import os
import shutil
import subprocess

import pytest

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import container, opening, rekey
from cinder.objects.encryption_formats import LUKS1, LUKS2, Format

OLD, NEW, FEW = b'old' * 21, b'new' * 21, 1000
pytestmark = pytest.mark.skipif(not shutil.which('cryptsetup'),
                                reason='cryptsetup is not installed')
MADE = [Format(LUKS1, 64), Format(LUKS1, 32), Format(LUKS2, 64)]
SIZE = 18 * 1024 ** 2
FORMATS = {
    'luks1': ('--type', 'luks1'),
    'luks1-cbc': ('--type', 'luks1', '--cipher', 'aes-cbc-essiv:sha256', '--key-size', '256'),
    'luks1-sha512': ('--type', 'luks1', '--hash', 'sha512', '--key-size', '256'),
    'luks2': ('--type', 'luks2', '--pbkdf', 'pbkdf2'),
    'luks2-4096': ('--type', 'luks2', '--pbkdf', 'pbkdf2', '--sector-size', '4096'),
    'luks2-argon2': ('--type', 'luks2', '--pbkdf', 'argon2id', '--pbkdf-memory', '64',
                     '--pbkdf-parallel', '1'),
}


def cryptsetup(verb, path, passphrase, *arguments):
    return subprocess.run(
        ['cryptsetup', '--batch-mode', *verb.split(), *arguments, '--key-file', '-', path],
        input=passphrase, capture_output=True, check=False)


def opens(path, passphrase):
    return cryptsetup('open --test-passphrase', path, passphrase).returncode == 0


@pytest.fixture(scope='module')
def formatted(tmp_path_factory):
    """Return a disk in a format; each is made once."""
    @functools.cache
    def make(name):
        path = tmp_path_factory.mktemp('luks') / name
        with path.open('wb') as file:
            file.truncate(17 * 1024 ** 2)
        iterations = '4' if 'argon2' in name else str(FEW)
        made = cryptsetup('luksFormat', path, OLD, *FORMATS[name],
                          '--pbkdf-force-iterations', iterations)
        assert made.returncode == 0, made.stderr
        return path
    return make


@pytest.fixture(params=['luks1', 'luks2'])
def path(request, formatted, tmp_path):
    """A copy that a test may change."""
    subprocess.run(['cp', '--sparse=always', formatted(request.param), tmp_path / 'disk'],
                   check=True)
    return tmp_path / 'disk'


@pytest.mark.parametrize('path', FORMATS, indirect=True)
def test_only_the_new_passphrase_opens_it(path):
    with disks.opened(str(path), writable=True) as disk:
        before = opening.open_header(disk, OLD)
        payload = disk.read(before.header.payload, 65536)
        for _attempt in range(2):
            assert rekey.rekey(disk, OLD, NEW, FEW)
        assert opening.open_header(disk, NEW).key == before.key
        assert disk.read(before.header.payload, 65536) == payload
        with pytest.raises(opening.WrongPassphrase):
            opening.open_header(disk, OLD)
        kept = disk.read(before.slot.offset, 512)
    assert opens(path, NEW) and not opens(path, OLD)
    dump = subprocess.run(['cryptsetup', 'luksDump', path], capture_output=True, text=True,
                          check=True).stdout
    assert dump.count('ENABLED') + dump.count(': luks2\n') == 1
    assert kept.count(0) < 200


@pytest.mark.parametrize('writes', [0, 1, 2, 3])
def test_an_interruption_loses_nothing(path, writes):
    with disks.opened(str(path), writable=True) as disk:
        key = opening.open_header(disk, OLD).key
        with pytest.raises(InterruptedError):
            rekey.rekey(_Failing(disk, writes), OLD, NEW, FEW)
        assert rekey.rekey(disk, OLD, NEW, FEW)
        assert opening.open_header(disk, NEW).key == key
    assert opens(path, NEW) and not opens(path, OLD)


class _Failing:
    """A disk that fails after some writes."""

    def __init__(self, disk, writes):
        self.disk, self.writes = disk, writes

    def read(self, *place):
        return self.disk.read(*place)

    def write(self, offset, data):
        if not self.writes:
            raise InterruptedError
        self.writes -= 1
        self.disk.write(offset, data)

    def flush(self):
        if not self.writes:
            raise InterruptedError


def test_further_slots_end(path):
    other = path.parent / 'other'
    other.write_bytes(b'other')
    added = cryptsetup('luksAddKey', path, OLD, '--pbkdf-force-iterations', '1000', '--pbkdf',
                       'pbkdf2', '--new-keyfile', str(other))
    assert added.returncode == 0, added.stderr
    with disks.opened(str(path), writable=True) as disk:
        rekey.rekey(disk, OLD, NEW, FEW)
    assert [opens(path, each) for each in (OLD, b'other', NEW)] == [False, False, True]


def test_another_passphrase_changes_nothing(path):
    before = path.read_bytes()
    with disks.opened(str(path), writable=True) as disk, pytest.raises(
            opening.WrongPassphrase, match='does not open its header'):
        rekey.rekey(disk, b'another', NEW, FEW)
    assert path.read_bytes() == before


def test_without_a_header_there_is_nothing_to_change(tmp_path):
    (tmp_path / 'disk').write_bytes(bytes(32768))
    with disks.opened(str(tmp_path / 'disk'), writable=True) as disk:
        assert not rekey.rekey(disk, OLD, NEW)
        assert opening.open_header(disk, OLD) is None


@pytest.mark.parametrize('path', ['luks2'], indirect=True)
def test_the_second_copy_of_a_header_is_used(path):
    for damage in (bytes(512), os.urandom(8192)):
        with path.open('r+b') as file:
            file.write(damage)
        with disks.opened(str(path), writable=True) as disk:
            assert opening.open_header(disk, OLD).header.version == 2
    with path.open('r+b') as file:
        file.write(b'LUKS\xba\xbe\0\2' + bytes(40000))
    with disks.opened(str(path)) as disk, pytest.raises(
            exception.VolumeDriverException, match='damaged in both'):
        opening.open_header(disk, OLD)


def test_headers_of_this_package(tmp_path):
    (tmp_path / 'disk').write_bytes(bytes(1024 ** 2 + 8192))
    with disks.opened(str(tmp_path / 'disk'), writable=True) as disk:
        container.write_header(disk, Format(LUKS1, 32), OLD, iterations=FEW)
    with disks.opened(str(tmp_path / 'disk'), writable=True) as disk:
        assert rekey.rekey(disk, OLD, NEW, FEW)
    assert opens(tmp_path / 'disk', NEW) and not opens(tmp_path / 'disk', OLD)


@pytest.fixture
def former(tmp_path):
    """A disk with data of former times."""
    (tmp_path / 'disk').write_bytes(os.urandom(4096) * (SIZE // 4096))
    return str(tmp_path / 'disk')


def make(path, wanted, data):
    """Encrypt a disk for NEW, and write data at its beginning."""
    with disks.opened(path, writable=True) as disk, container.created(
            disk, SIZE, wanted, NEW, FEW) as inside:
        inside.write(0, data)


@pytest.mark.parametrize('wanted', MADE[:2])
def test_qemu_reads_it(former, wanted, tmp_path):
    data = os.urandom(SIZE - wanted.header_bytes)
    make(former, wanted, data)
    for secret, right in ((NEW, True), (b'another', False)):
        (tmp_path / 'secret').write_bytes(secret)
        done = subprocess.run(
            ['qemu-img', 'convert', '--object', f'secret,id=s,file={tmp_path}/secret',
             '--image-opts', f'driver=luks,key-secret=s,file.filename={former}',
             '-O', 'raw', tmp_path / 'out'], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is right, done.stderr
    assert (tmp_path / 'out').read_bytes() == data


@pytest.mark.parametrize('wanted', MADE)
def test_cryptsetup_opens_it(former, wanted):
    make(former, wanted, b'data')
    for secret, code in ((NEW, 0), (b'another', 2)):
        done = cryptsetup('open --test-passphrase', former, secret)
        assert done.returncode == code, done.stderr
    found = subprocess.run(['cryptsetup', 'luksDump', former], capture_output=True, text=True,
                           check=True).stdout
    assert f'Version:       \t{wanted.kind[-1]}\n' in found
    # The second header of version 2 is as good as the first.
    if wanted.kind == LUKS2:
        with disks.opened(former, writable=True) as disk:
            disk.write(0, bytes(4096))
            assert opening.open_header(disk, NEW).key
