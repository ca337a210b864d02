# SPDX-License-Identifier: Apache-2.0
"""Who makes a volume that is encrypted."""
import pytest

from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.volume import driver as driver_api
from cinder.volume.data import create_sources
from tests.fakes import key_manager, volumes


class Driver:
    def create_volume(self, volume):
        return {'provider_id': 'empty'}


class Encrypting(Driver, driver_api.Encrypts):
    def create_encrypted_volume(self, volume, passphrase):
        return {'provider_id': passphrase.decode()}

    def bytes_of(self, volume):
        raise NotImplementedError


@pytest.mark.parametrize(('kind', 'encrypted', 'made'), [
    (Driver, True, 'empty'), (Encrypting, False, 'empty'),
    (Encrypting, True, key_manager.FIXED_KEY)])
def test_an_empty_volume(ctxt, kind, encrypted, made):
    key_manager.configure(key_manager.FIXED_KEY)
    volume = volumes.volume(source_volid=None, snapshot_id=None, encrypted=encrypted,
                            encryption_key_id=FIXED_KEY_ID)
    try:
        assert create_sources.fill(kind(), ctxt, volume) == {'provider_id': made}
    finally:
        key_manager.clear()
