# SPDX-License-Identifier: Apache-2.0
"""A key manager with one key, which is in the configuration file. Whoever reads the file reads
all volumes, so it is for trials; keymgr/migration.py leads out of it."""
import binascii

from castellan.common import exception as castellan_exception
from castellan.common.objects import symmetric_key
from castellan.key_manager import key_manager
from oslo_config import cfg

from cinder.conf import keymgr as options


class ConfKeyManager(key_manager.KeyManager):
    """[key_manager]/fixed_key under the id of zeros.

    :raises KeyManagerError: there is no such key, or it is not hexadecimal.
    """

    def __init__(self, configuration: cfg.ConfigOpts) -> None:
        digits = configuration.key_manager.fixed_key
        if not digits:
            raise castellan_exception.KeyManagerError(reason='fixed_key is not set')
        try:
            key = binascii.unhexlify(digits)
        except ValueError:
            raise castellan_exception.KeyManagerError(
                reason='fixed_key must be an even number of hexadecimal digits') from None
        self._key = symmetric_key.SymmetricKey('AES', len(key) * 8, key)

    def create_key(self, context, algorithm, length, expiration=None, name=None) -> str:
        """The fixed key, whatever is wished."""
        return self._known(context, options.FIXED_KEY_ID)

    def create_key_pair(self, context, algorithm, length, expiration=None,
                        name=None) -> tuple[str, str]:
        raise castellan_exception.KeyManagerError(reason='the fixed key is no pair')

    def store(self, context, managed_object, expiration=None) -> str:
        """A copy of the fixed key is the fixed key; there is room for no other."""
        if managed_object != self._key:
            raise castellan_exception.KeyManagerError(reason='only the fixed key is kept')
        return self._known(context, options.FIXED_KEY_ID)

    def get(self, context, managed_object_id,
            metadata_only=False) -> symmetric_key.SymmetricKey:
        self._known(context, managed_object_id)
        return self._key

    def delete(self, context, managed_object_id, force=False) -> None:
        """The fixed key stays: other volumes have it too."""
        self._known(context, managed_object_id)

    def add_consumer(self, context, managed_object_id, consumer_data) -> None:
        """Nobody asks who uses the fixed key: it is never deleted."""
        self._known(context, managed_object_id)

    def remove_consumer(self, context, managed_object_id, consumer_data) -> None:
        self._known(context, managed_object_id)

    @staticmethod
    def _known(context: object, key_id: str) -> str:
        if context is None:
            raise castellan_exception.Forbidden()
        if key_id != options.FIXED_KEY_ID:
            raise castellan_exception.ManagedObjectNotFoundError(uuid=key_id)
        return key_id
