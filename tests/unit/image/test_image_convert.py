# SPDX-License-Identifier: Apache-2.0
"""What is really in an image. The headers are made by hand; qemu-img's own files and the conversion
are tests/functional/test_images.py's."""
import json
import os
import struct

import pytest
from oslo_concurrency import processutils

from cinder import exception
from cinder.conf import CONF
from cinder.image import image_convert
from tests.hostile_images import vmdk as hostile_vmdk

MIB = 1024 ** 2


def qcow2(backing=0, features=0):
    """The beginning of an image of 5 MiB."""
    header = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 3, backing, 0, 16, 5 * MIB, 0, 0, 0, 0, 0,
                         0, 0) + struct.pack('>QQQII', features, 0, 0, 4, 104)
    return header + bytes(MIB)


# Its disk is another file, of whatever name stands here.
FLAT = (b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n'
        b'createType="monolithicFlat"\nRW 20480 FLAT "/etc/passwd" 0\n')
SPARSE = struct.pack('<4sIIQQQQIQQQ', b'KDMV', 1, 3, 20480, 128, 1, 1, 512, 21, 26, 128)


def vmdk(descriptor):
    """The beginning of an image of 10 MiB."""
    return SPARSE.ljust(512, b'\0') + descriptor.ljust(512, b'\0') + bytes(MIB)


def look(data, disk_format):
    # Nothing comes for a while, at each place.
    seen = image_convert.inspect(iter([b'', data[:100], b'', data[100:], b'']))
    assert b''.join(seen) == data
    return image_convert.require_safe(seen, 'an-image', disk_format)


def test_the_size_of_the_disk():
    assert look(qcow2(), 'qcow2') == 5 * MIB
    assert look(os.urandom(MIB), 'raw') is None
    # A boot record with one partition of Linux.
    assert look(bytes(446) + b'\x80\x20\x21\x00\x83' + bytes(3) + struct.pack('<II', 1, 9)
                + bytes(48) + b'\x55\xaa' + bytes(MIB), 'raw') is None


@pytest.mark.parametrize(('data', 'disk_format', 'words'), [
    (qcow2(backing=600), 'qcow2', 'backing_file'), (qcow2(features=4), 'qcow2', 'data_file'),
    (qcow2(features=1 << 40), 'qcow2', 'unknown_features'), (qcow2(), 'raw', "'qcow2'"),
    (qcow2(), 'vmdk', "'qcow2'"), (bytes(MIB), 'qcow2', "'raw'"), (b'', 'qcow2', "'raw'"),
    (FLAT, 'vmdk', "'raw'|descriptor"), (vmdk(FLAT), 'vmdk', 'descriptor'),
    (qcow2()[:50], 'qcow2', 'raw'), (bytes(MIB), 'ploop', 'ploop')])
def test_what_is_refused(data, disk_format, words):
    with pytest.raises(exception.ImageUnacceptable, match=words) as raised:
        look(data, disk_format)
    assert 'an-image' in str(raised.value)


@pytest.mark.parametrize(('allowed', 'good'), [
    (['streamOptimized', 'monolithicSparse'], 'sparse stream'), (['streamOptimized'], 'stream'),
    (['monolithicsparse'], 'sparse'), ([], '')])
def test_types_of_vmdk(option, allowed, good):
    option('vmdk_allowed_types', allowed)
    for name, data in (('sparse', hostile_vmdk.make()), ('stream', hostile_vmdk.stream())):
        if name in good:
            assert look(data, 'vmdk') == MIB
        else:
            with pytest.raises(exception.ImageUnacceptable, match='vmdk_allowed_types'):
                look(data, 'vmdk')


def test_types_of_vmdk_that_are_never_accepted():
    for name in ('monolithicFlat', 'twoGbMaxExtentSparse', 'vmfs'):
        with pytest.raises(ValueError, match=name):
            CONF.set_override('vmdk_allowed_types', [name])


def test_a_disk_in_a_vhd_is_as_large_as_its_volume():
    seen = []
    image_convert.from_disk('from', 'to', 'vhd', MIB, execute=lambda *argv, **_: seen.extend(argv))
    assert ' '.join(seen).endswith(f'-f raw -o force_size=on -O vpc {os.path.abspath("from")} '
                                   f'{os.path.abspath("to")}')


def test_a_temporary_file_is_ours_alone_and_goes(tmp_path, option):
    option('image_conversion_dir', str(tmp_path / 'folder'))
    with pytest.raises(ZeroDivisionError), image_convert.temporary_file('i', 'h@b') as path:
        assert path.endswith('#h@b') and os.stat(path).st_mode & 0o777 == 0o600
        assert os.stat(tmp_path / 'folder').st_mode & 0o777 == 0o700
        raise ZeroDivisionError
    assert list((tmp_path / 'folder').iterdir()) == []
    with pytest.raises(exception.NoRoomForConversion), image_convert.temporary_file('i', 'h@b'):
        raise OSError(28, 'full')


def test_a_conversion_is_bounded():
    seen = []
    image_convert.to_disk('from', 'to', 'vhd', 3 * MIB,
                          execute=lambda *argv, **_: seen.extend(argv))
    *words, source, target = seen[seen.index('convert'):]
    assert (words, target) == (['convert', '-O', 'raw'], os.path.abspath('to'))
    # Whatever is in the data, it has no backing file.
    assert json.loads(source.removeprefix('json:')) == {
        'driver': 'vpc', 'backing': None,
        'file': {'driver': 'file', 'filename': os.path.abspath('from')}}
    limits = seen[seen.index('prlimit') + 1:seen.index('qemu-img')]
    assert limits == ['--cpu=60', f'--as={2 ** 30}', f'--fsize={3 * MIB}', '--core=0']


def test_a_full_folder_is_told_from_a_bad_image():
    def full(*_argv, **_options):
        raise processutils.ProcessExecutionError(stderr='qemu-img: x: No space left on device')

    with pytest.raises(exception.NoRoomForConversion):
        image_convert.from_disk('from', 'to', 'qcow2', MIB, execute=full)
