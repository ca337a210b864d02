# SPDX-License-Identifier: Apache-2.0
"""Encryption keys in use cases: created before the transaction that writes their resource, deleted
again when it fails, and deleted after the transaction that deletes their resource."""
import contextlib
import uuid
from collections.abc import Iterator, Sequence

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.keymgr import keys

# Settings that must be equal when encrypted data is copied.
_SETTINGS = ('provider', 'cipher', 'key_size', 'control_location')


@contextlib.contextmanager
def new_key(ctxt: RequestContext, volume_type: objects.VolumeType | None,
            source: objects.Volume | objects.Snapshot | objects.Backup | None = None,
            ) -> Iterator[dict[str, str]]:
    """Yield the columns id and encryption_key_id of a volume that the body writes; no columns when
    the volume is not encrypted. The key is deleted again if the body fails.

    :param source: resource that the volume is created from; the volume then gets a copy of its key,
        with another id.
    :raises InvalidInput: the encryption of the source differs from that of the type.
    :raises InvalidVolumeType: no key manager is configured.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    encryption = volume_type.encryption if volume_type else None
    if source is not None:
        _require_fit(source, volume_type)
    if not encryption:
        yield {}
        return
    if not keys.is_set_up():
        raise exception.InvalidVolumeType(
            reason=f'volumes of the encrypted type {volume_type.name} cannot be created: '
                   'no key manager is configured')
    if ctxt.rehearsal is not None:
        yield {}
        return
    ident = str(uuid.uuid4())
    key = keys.copy(ctxt, source.encryption_key_id) if source else keys.create(ctxt, encryption)
    with contextlib.ExitStack() as undo:
        undo.callback(keys.release, ctxt, key, ident)
        try:
            yield {'id': ident, 'encryption_key_id': key}
        except exception.CommitUnknown:
            undo.pop_all()  # the volume may exist
            raise
        left = undo.pop_all()
        if ctxt.together is not None:
            ctxt.together.undo(left.close)  # the commit comes later


@contextlib.contextmanager
def copied_keys(ctxt: RequestContext, sources: Sequence[objects.Volume | objects.Snapshot],
                ) -> Iterator[list[dict[str, str]]]:
    """Yield the columns of new_key() for each volume that the body creates from one of the
    sources."""
    with contextlib.ExitStack() as keys_of_all:
        yield [keys_of_all.enter_context(new_key(ctxt, _volume_of(source).volume_type, source))
               for source in sources]


def _volume_of(source: objects.Volume | objects.Snapshot) -> objects.Volume:
    return source.volume if isinstance(source, objects.Snapshot) else source


def _require_fit(source: objects.Volume | objects.Snapshot | objects.Backup,
                 volume_type: objects.VolumeType | None) -> None:
    """Require that the data of the source can be read with the encryption of the type.

    :raises InvalidInput: it cannot.
    """
    wanted = _settings(volume_type)
    if bool(source.encryption_key_id) != bool(wanted):
        is_, wants = ('not encrypted', 'encrypted') if wanted else ('encrypted', 'not encrypted')
        name = volume_type.name if volume_type else None
        raise exception.InvalidInput(
            reason=f'source {source.id} is {is_}, but volumes of type {name} are {wants}')
    if not wanted or isinstance(source, objects.Backup):
        return
    if wanted != _settings(_volume_of(source).volume_type):
        raise exception.InvalidInput(
            reason=f'the encryption of source {source.id} differs from that of type '
                   f'{volume_type.name}')


def _settings(volume_type: objects.VolumeType | None) -> list | None:
    encryption = volume_type.encryption if volume_type else None
    return [encryption[name] for name in _SETTINGS] if encryption else None


def drop_key(ctxt: RequestContext, resource: objects.Volume | objects.Backup) -> None:
    """Delete the key of a deleted resource, unless other resources need it. If that fails, a user
    message is created."""
    if ctxt.together is not None and ctxt.together.after(lambda: drop_key(ctxt, resource)):
        return
    kind, volume_id = (('backup', resource.volume_id) if isinstance(resource, objects.Backup)
                       else ('volume', resource.id))
    if not keys.release(ctxt, resource.encryption_key_id, volume_id):
        operations.create_message(ctxt, kind, resource, f'{kind}.delete',
                                  f'Key {resource.encryption_key_id} was left in the key manager.')


def require_same_key(ctxt: RequestContext, backup: objects.Backup, volume: objects.Volume) -> None:
    """Require that the volume can be read with the data of the backup in it.

    :raises InvalidVolume: it is encrypted with another key.
    """
    if not keys.are_equal(ctxt, backup.encryption_key_id, volume.encryption_key_id):
        raise exception.InvalidVolume(
            reason=f'backup {backup.id} is not encrypted with the key of volume {volume.id}; '
                   'restore it to a new volume')
