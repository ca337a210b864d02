# SPDX-License-Identifier: Apache-2.0
"""A copy of an encrypted volume gets a key of its own."""
import pytest

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import container, opening
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys
from cinder.objects.encryption_formats import LUKS1, Format
from cinder.volume.data import create_sources, own_keys
from tests.fakes import volumes

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 256, 'provider': 'luks'}


class Driver:
    """Copies of the only file."""

    def __init__(self, folder):
        self.path = str(folder / 'disk')

    def create_volume_from_snapshot(self, volume, snapshot):
        return {'provider_id': snapshot.id}

    def local_path(self, volume):
        return self.path


@pytest.fixture
def source(ctxt, database, key_manager):
    """A snapshot with a key."""
    key = keys.create(ctxt, SETTINGS)
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available',
                                      'host': 'h@b', 'encryption_key_id': key})
    made = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'status':
                                      'available', 'volume_size': 1, 'encryption_key_id': key})
    return snapshots_db.get(ctxt, made.id)


@pytest.fixture
def driver(ctxt, tmp_path, source):
    made, passphrase = Driver(tmp_path), keys.passphrase(ctxt, source.encryption_key_id)
    (tmp_path / 'disk').write_bytes(bytes(2 * 1024 ** 2 + 4096))
    with disks.opened(made.path, writable=True) as disk:
        container.write_header(disk, Format(LUKS1, 64), passphrase, iterations=1000)
    return made


@pytest.fixture
def copy(ctxt, source):
    return volumes.volume(source_volid=None, snapshot_id=source.id, encrypted=True,
                          encryption_key_id=keys.create(ctxt, SETTINGS))


def _opens(ctxt, driver, key):
    with disks.opened(driver.path) as disk:
        try:
            return opening.open_header(disk, keys.passphrase(ctxt, key)) is not None
        except opening.WrongPassphrase:
            return False


@pytest.mark.parametrize('rekeys', [True, False])
def test_the_header_of_a_copy(ctxt, driver, source, copy, rekeys):
    for _attempt in range(2):
        assert create_sources.fill(driver, ctxt, copy, rekeys=rekeys) == {'provider_id': source.id}
    assert _opens(ctxt, driver, copy.encryption_key_id) is rekeys
    assert _opens(ctxt, driver, source.encryption_key_id) is not rekeys


def test_a_copy_that_was_never_formatted(ctxt, driver, copy):
    with open(driver.path, 'wb') as file:
        file.truncate(65536)
    own_keys.give(driver, ctxt, copy)
    with open(driver.path, 'rb') as file:
        assert file.read() == bytes(65536)


def test_a_header_that_the_key_of_the_source_does_not_open(ctxt, driver, copy, source):
    other = keys.create(ctxt, SETTINGS)
    snapshots_db.overwrite(ctxt, source.id, {'encryption_key_id': other})
    with pytest.raises(opening.WrongPassphrase, match='does not open its header'):
        own_keys.give(driver, ctxt, copy)


@pytest.mark.parametrize('which', ['source', 'copy'])
def test_a_key_that_cannot_be_read(ctxt, driver, source, copy, key_manager, which):
    del key_manager.kept[{'source': source, 'copy': copy}[which].encryption_key_id]
    with pytest.raises(exception.KeyManagerUnavailable):
        own_keys.give(driver, ctxt, copy)
