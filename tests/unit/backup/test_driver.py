# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder import exception
from cinder.backup import driver
from cinder.backup.chunked import digests
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.backup.object_store.option_checks import LARGEST_REQUEST
from cinder.conf import CONF, backup_posix, backup_s3, backup_swift
from tests.unit.backup.object_store import conftest as object_stores

PATH = 'cinder.backup.drivers.posix.PosixBackupDriver'


def test_the_driver_of_the_option_is_loaded(conf):
    conf.set_override('backup_driver', PATH)
    loaded = driver.load(CONF)
    assert type(loaded) is PosixBackupDriver and loaded.class_path() == PATH


@pytest.mark.parametrize('path', ['cinder.backup.drivers.posix', 'no.such.Driver',
                                  'cinder.exception.Invalid', 'cinder.failures.one_line'])
def test_what_is_no_driver_is_refused(conf, path):
    conf.set_override('backup_driver', path)
    with pytest.raises(exception.InvalidConfigurationValue, match=path):
        driver.load(CONF)


def test_an_object_is_a_whole_number_of_blocks(conf):
    conf.set_override('backup_driver', PATH)
    conf.set_override('backup_file_size', 100_000)
    with pytest.raises(exception.InvalidConfigurationValue,
                       match='backup_file_size = 100000 .* backup_sha_block_size_bytes = 32768'):
        driver.load(CONF)


@pytest.mark.parametrize(('opts', 'largest'), [
    (backup_posix.OPTS, None), (backup_s3.OPTS, LARGEST_REQUEST),
    (backup_swift.OPTS, LARGEST_REQUEST)], ids=['posix', 's3', 'swift'])
def test_sizes_that_options_allow_can_be_written_and_read_again(opts, largest):
    block, = (opt.type for opt in opts if '_block_size' in opt.name)
    size, = (opt.type for opt in opts if opt.name.endswith(('_object_size', '_file_size')))
    assert digests._LEAST <= block.min <= size.min and block.max <= digests._MOST
    assert largest is None or size.max <= largest


LARGEST = {'s3': ('cinder.backup.drivers.s3.S3BackupDriver', object_stores.S3_OPTIONS),
           'swift': ('cinder.backup.drivers.swift.SwiftBackupDriver', object_stores.SWIFT_OPTIONS)}


@pytest.mark.parametrize('name', LARGEST)
def test_no_object_can_become_too_large_for_one_request(conf, name):
    path, options = LARGEST[name]
    option, most = f'backup_{name}_object_size', LARGEST_REQUEST * driver.GROWTH // (
        driver.GROWTH + 1) // 32768 * 32768
    for key, value in {**options, 'backup_driver': path, option: most}.items():
        conf.set_override(key, value)
    assert driver.load(CONF).object_size == most
    conf.set_override(option, most + 32768)
    with pytest.raises(exception.InvalidConfigurationValue,
                       match=f'{option} = {most + 32768} is too large: expected at most {most}, '
                             f'.*{LARGEST_REQUEST} bytes'):
        driver.load(CONF)
    conf.set_override(option, LARGEST_REQUEST)
    conf.set_override('backup_compression_algorithm', 'OFF')
    assert driver.load(CONF).object_size == LARGEST_REQUEST
