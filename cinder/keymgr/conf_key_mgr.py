# SPDX-License-Identifier: Apache-2.0
"""A key manager with one key, which is in the configuration file. Every reader of the file can read
all volumes, so it is for tests only; keymgr/migration.py replaces its key."""
import binascii
from typing import TYPE_CHECKING

from castellan.common import exception as castellan_exception
from castellan.common.objects import symmetric_key
from castellan.key_manager import key_manager
from oslo_config import cfg

from cinder.conf import keymgr as options

if TYPE_CHECKING:
    from castellan.common.objects.managed_object import ManagedObject
    from castellan.key_manager.key_manager import Context


class ConfKeyManager(key_manager.KeyManager):
    """The key [key_manager]/fixed_key, whose id is all zeros.

    :raises KeyManagerError: the key is not set, or not hexadecimal.
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

    def create_key(self, context: 'Context | None', algorithm: str, length: int,
                   expiration: str | None = None, name: str | None = None) -> str:
        """Return the id of the fixed key, whatever the arguments are."""
        return self._known(context, options.FIXED_KEY_ID)

    def create_key_pair(self, context: 'Context | None', algorithm: str, length: int,
                        expiration: str | None = None,
                        name: str | None = None) -> tuple[str, str]:
        raise castellan_exception.KeyManagerError(reason='the fixed key is not a key pair')

    def store(self, context: 'Context | None', managed_object: 'ManagedObject',
              expiration: str | None = None) -> str:
        """Return the id of the fixed key if that is the key to store; no other key can be
        stored."""
        if managed_object != self._key:
            raise castellan_exception.KeyManagerError(reason='only the fixed key can be stored')
        return self._known(context, options.FIXED_KEY_ID)

    def get(self, context: 'Context | None', managed_object_id: str,
            metadata_only: bool = False) -> symmetric_key.SymmetricKey:
        self._known(context, managed_object_id)
        return self._key

    def delete(self, context: 'Context | None', managed_object_id: str,
               force: bool = False) -> None:
        """Keep the fixed key: other volumes use it too."""
        self._known(context, managed_object_id)

    def add_consumer(self, context: 'Context | None', managed_object_id: str,
                     consumer_data: dict[str, str]) -> None:
        """Do nothing: the fixed key is never deleted, so its consumers are not recorded."""
        self._known(context, managed_object_id)

    def remove_consumer(self, context: 'Context | None', managed_object_id: str,
                        consumer_data: dict[str, str]) -> None:
        self._known(context, managed_object_id)

    @staticmethod
    def _known(context: 'Context | None', key_id: str) -> str:
        if context is None:
            raise castellan_exception.Forbidden()
        if key_id != options.FIXED_KEY_ID:
            raise castellan_exception.ManagedObjectNotFoundError(uuid=key_id)
        return key_id
