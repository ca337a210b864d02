# SPDX-License-Identifier: Apache-2.0
"""Encryption keys in use cases: made before the transaction of what has them, removed again when
that fails, and removed after the transaction that deletes it."""
import contextlib
import uuid
from collections.abc import Iterator, Sequence

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.keymgr import keys

# What has to be the same where encrypted bytes are copied.
_SETTINGS = ('provider', 'cipher', 'key_size', 'control_location')


@contextlib.contextmanager
def new_key(ctxt: RequestContext, volume_type: objects.VolumeType | None,
            source: objects.Volume | objects.Snapshot | objects.Backup | None = None,
            ) -> Iterator[dict[str, str]]:
    """The columns id and encryption_key_id of a volume that the body writes; none where it is not
    encrypted. The key goes again if the body fails.

    :param source: what the volume is made from: then it gets the same key under another id.
    :raises InvalidInput: the source is not encrypted in the way of the type.
    :raises InvalidVolumeType: there is no key manager.
    :raises KeyManagerUnavailable: it is down or refuses.
    """
    encryption = volume_type.encryption if volume_type else None
    if source is not None:
        _require_fit(source, volume_type)
    if not encryption:
        yield {}
        return
    if not keys.is_set_up():
        raise exception.InvalidVolumeType(
            reason=f'volumes of the encrypted type {volume_type.name} cannot be made: '
                   'no key manager is set up')
    ident = str(uuid.uuid4())
    key = keys.copy(ctxt, source.encryption_key_id) if source else keys.create(ctxt, encryption)
    with contextlib.ExitStack() as undo:
        undo.callback(keys.release, ctxt, key, ident)
        try:
            yield {'id': ident, 'encryption_key_id': key}
        except exception.CommitUnknown:
            undo.pop_all()  # the volume may be there
            raise
        undo.pop_all()


@contextlib.contextmanager
def copied_keys(ctxt: RequestContext, sources: Sequence[objects.Volume | objects.Snapshot],
                ) -> Iterator[list[dict[str, str]]]:
    """The same for each volume that the body makes from one of the sources."""
    with contextlib.ExitStack() as keys_of_all:
        yield [keys_of_all.enter_context(new_key(ctxt, _volume_of(source).volume_type, source))
               for source in sources]


def _volume_of(source: objects.Volume | objects.Snapshot) -> objects.Volume:
    return source.volume if isinstance(source, objects.Snapshot) else source


def _require_fit(source: objects.Volume | objects.Snapshot | objects.Backup,
                 volume_type: objects.VolumeType | None) -> None:
    """:raises InvalidInput: bytes of the source would not be read as those of the type."""
    wanted = _settings(volume_type)
    if bool(source.encryption_key_id) != bool(wanted):
        is_, wants = ('not encrypted', 'encrypted') if wanted else ('encrypted', 'not encrypted')
        name = volume_type.name if volume_type else None
        raise exception.InvalidInput(
            reason=f'source {source.id} is {is_}, but what is of type {name} is {wants}')
    if not wanted or isinstance(source, objects.Backup):
        return
    if wanted != _settings(_volume_of(source).volume_type):
        raise exception.InvalidInput(
            reason=f'{source.id} is encrypted in another way than type {volume_type.name} says')


def _settings(volume_type: objects.VolumeType | None) -> list | None:
    encryption = volume_type.encryption if volume_type else None
    return [encryption[name] for name in _SETTINGS] if encryption else None


def drop_key(ctxt: RequestContext, resource: objects.Volume | objects.Backup) -> None:
    """Remove the key of what is deleted, unless others need it. One that is left is told."""
    kind, volume_id = (('backup', resource.volume_id) if isinstance(resource, objects.Backup)
                       else ('volume', resource.id))
    if not keys.release(ctxt, resource.encryption_key_id, volume_id):
        operations.create_message(ctxt, kind, resource, f'{kind}.delete',
                                  f'Key {resource.encryption_key_id} was left in the key manager.')


def require_same_key(ctxt: RequestContext, backup: objects.Backup, volume: objects.Volume) -> None:
    """:raises InvalidVolume: the volume could not be read with the bytes of the backup in it."""
    if not keys.same(ctxt, backup.encryption_key_id, volume.encryption_key_id):
        raise exception.InvalidVolume(
            reason=f'backup {backup.id} is not encrypted with the key of volume {volume.id}; '
                   'it can be restored to a new volume')
