# SPDX-License-Identifier: Apache-2.0
"""A castellan key manager in memory. Keys belong to the user who made them, as in Barbican."""
import copy
import os
import uuid

from castellan.common import exception
from castellan.common.objects import symmetric_key
from castellan.key_manager import key_manager

from cinder.conf import CONF
from cinder.conf import keymgr as options
from cinder.keymgr import keys

BACKEND = f'{__name__}.MemoryKeyManager'
FIXED_KEY = '00112233445566778899aabbccddeeff'


class MemoryKeyManager(key_manager.KeyManager):
    """:ivar kept: id -> (owner, key). `down` makes every call fail, with `private` others cannot
    read."""

    def __init__(self, configuration) -> None:
        self.kept: dict[str, tuple] = {}
        self.down = self.private = False

    def create_key(self, context, algorithm, length, expiration=None, name=None) -> str:
        return self.store(context, symmetric_key.SymmetricKey(
            algorithm, length, os.urandom(length // 8), name=name))

    def create_key_pair(self, *_args, **_kwargs):
        raise exception.KeyManagerError(reason='not here')

    def store(self, context, managed_object, expiration=None) -> str:
        self._require(context)
        key_id = str(uuid.uuid4())
        self.kept[key_id] = (context.user_id, managed_object)
        return key_id

    def get(self, context, managed_object_id, metadata_only=False):
        owner, found = self._find(context, managed_object_id)
        if self.private and owner != context.user_id:
            raise exception.Forbidden()
        return found

    def delete(self, context, managed_object_id, force=False) -> None:
        if self._find(context, managed_object_id)[0] != context.user_id:
            raise exception.KeyManagerError(reason='another user made it')
        del self.kept[managed_object_id]

    def list(self, context, object_type=None, metadata_only=False):
        """Return the keys of the caller."""
        self._require(context)
        found = [(ident, copy.copy(key)) for ident, (owner, key) in self.kept.items()
                 if owner == context.user_id]
        for ident, key in found:
            key._id = ident
        return [key for _ident, key in found]

    def add_consumer(self, *_args) -> None:
        pass

    remove_consumer = add_consumer

    def _require(self, context) -> None:
        if self.down:
            raise ConnectionError('nobody there')
        if context is None:
            raise exception.Forbidden()

    def _find(self, context, key_id: str) -> tuple:
        self._require(context)
        if key_id not in self.kept:
            raise exception.ManagedObjectNotFoundError(uuid=key_id)
        return self.kept[key_id]


def configure(fixed_key: str | None = None, backend: str | None = BACKEND):
    """Set the options; returns the manager, or None where there is none."""
    keys.backend()  # registers castellan's options
    keys.service_credentials()
    clear()
    for name, value in (('fixed_key', fixed_key), ('backend', backend)):
        if value is not None:
            CONF.set_override(name, value, options.GROUP)
    return keys.manager() if keys.is_set_up() else None


def clear() -> None:
    """Set the options back to what they are without a configuration file."""
    for name in CONF.key_manager:
        CONF.clear_override(name, options.GROUP)
    keys._make.cache_clear()
