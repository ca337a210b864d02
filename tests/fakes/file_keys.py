# SPDX-License-Identifier: Apache-2.0
"""A castellan key manager for several processes: a file for each key, in a folder of state_path.
Everybody may do everything; a place that has a Barbican uses that."""
import os
import pathlib
import uuid

from castellan.common import exception
from castellan.common.objects import symmetric_key
from castellan.key_manager import key_manager

BACKEND = f'{__name__}.FileKeyManager'


def folder(state_path: str | pathlib.Path) -> pathlib.Path:
    """Return where the keys are: id -> bytes."""
    return pathlib.Path(state_path, 'keys')


class FileKeyManager(key_manager.KeyManager):
    """Symmetric keys only."""

    def __init__(self, configuration) -> None:
        self._folder = folder(configuration.state_path)

    def create_key(self, context, algorithm, length, expiration=None, name=None) -> str:
        return self.store(context, symmetric_key.SymmetricKey(
            algorithm, length, os.urandom(length // 8)))

    def create_key_pair(self, *_args, **_kwargs):
        raise exception.KeyManagerError(reason='symmetric keys only')

    def store(self, context, managed_object, expiration=None) -> str:
        self._folder.mkdir(exist_ok=True)
        key_id = str(uuid.uuid4())
        # A part of a key is never seen.
        made = self._folder.parent / f'{key_id}.new'
        made.write_bytes(managed_object.get_encoded())
        made.rename(self._folder / key_id)
        return key_id

    def get(self, context, managed_object_id, metadata_only=False):
        data = self._call(managed_object_id, pathlib.Path.read_bytes)
        return symmetric_key.SymmetricKey('aes', len(data) * 8, data)

    def delete(self, context, managed_object_id, force=False) -> None:
        self._call(managed_object_id, pathlib.Path.unlink)

    def add_consumer(self, *_args) -> None:
        pass

    remove_consumer = add_consumer

    def _call(self, key_id, function):
        try:
            return function(self._folder / key_id)
        except FileNotFoundError:
            raise exception.ManagedObjectNotFoundError(uuid=key_id) from None
