# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder import exception
from cinder.backup import driver
from cinder.backup.drivers.posix import PosixBackupDriver
from cinder.conf import CONF

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
