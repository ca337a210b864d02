# SPDX-License-Identifier: Apache-2.0
"""Encryption keys in use cases: created before the transaction that writes their resource, deleted
again when it fails, and deleted after the transaction that deletes their resource."""
import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cinder import exception, objects, operations
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.context import RequestContext
from cinder.db import types as types_db
from cinder.db import unused_keys
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys, marks
from cinder.objects import encryption_formats
from cinder.rpc import backup as backup_rpc
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import image_keys


class NewKey(NamedTuple):
    """The key of a volume that is created.

    :ivar columns: id and encryption_key_id; none when the volume is not encrypted
    :ivar rekeys: whether the data comes with a header that another key opens
    """

    columns: dict[str, str]
    rekeys: bool = False

    @property
    def arguments(self) -> dict[str, object]:
        """Return what the operation that creates the volume must know."""
        return {'rekeys': True} if self.rekeys else {}


@contextlib.contextmanager
def new_key(ctxt: RequestContext, volume_type: objects.VolumeType | None,
            source: objects.Volume | objects.Snapshot | objects.Backup | None = None,
            image: Mapping[str, Any] | None = None) -> Iterator[NewKey]:
    """Yield the key of a volume that the body writes. It is deleted again if the body fails.

    :param source: resource that the volume is created from; see _key_of_copy().
    :param image: image that is written to the volume; that of an encrypted one is copied.
    :raises InvalidInput: the encryption of the source differs from that of the type.
    :raises InvalidVolumeType: no key manager is configured.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    encryption = volume_type.encryption if volume_type else None
    if source is not None:
        _require_fit(source, volume_type)
    if not encryption or volume_type is None:
        yield NewKey({})
        return
    require_manager(volume_type)
    if ctxt.rehearsal is not None:
        yield NewKey({})
        return
    delete_unused(ctxt)
    ident = str(uuid.uuid4())
    if source:
        key, rekeys = _key_of_copy(ctxt, source, encryption)
    else:
        key, rekeys = image and image_keys.copy(ctxt, image) or keys.create(ctxt, encryption), False
    with kept_if_committed(ctxt, key, ident):
        if not keys.share(ctxt, key) and rekeys:
            raise exception.KeyManagerUnavailable()
        yield NewKey({'id': ident, 'encryption_key_id': key}, rekeys)


@contextlib.contextmanager
def kept_if_committed(ctxt: RequestContext, key: str, volume_id: str) -> Iterator[None]:
    """Delete a new key again if the body fails, unless its row may have been written."""
    with contextlib.ExitStack() as undo:
        undo.callback(keys.withdraw, ctxt, key, volume_id)
        try:
            yield
        except exception.CommitUnknown:
            undo.pop_all()
            raise
        left = undo.pop_all()
        ctxt.made_keys.pop(key, None)
        if ctxt.together is not None:
            ctxt.together.undo(left.close)  # the commit comes later


def require_manager(volume_type: objects.VolumeType) -> None:
    """Require that a key manager is configured, for volumes of an encrypted type.

    :raises InvalidVolumeType: none is.
    """
    if not keys.is_set_up():
        raise exception.InvalidVolumeType(
            reason=f'volumes of the encrypted type {volume_type.name} cannot be created: '
                   'no key manager is configured')


def _key_of_copy(ctxt: RequestContext, source: objects.Volume | objects.Snapshot | objects.Backup,
                 encryption: Mapping) -> tuple[str, bool]:
    """Return a key for a copy, and whether its header must be changed for that.

    It is another key if the data has a header and the volume service can read both keys; else the
    same one under another id.
    """
    present = source.encryption_key_id
    if (present == FIXED_KEY_ID or isinstance(source, objects.Backup)
            or not has_header(encryption)
            or not volume_rpc.VolumeAPI().supports(volume_rpc.REKEYS)
            or not keys.share(ctxt, present)):
        return keys.copy(ctxt, present), False
    return keys.create(ctxt, encryption), True


def has_header(encryption: Mapping) -> bool:
    """Return whether volumes have a header, in which the key of the data is encrypted with the key
    of the volume; else the latter encrypts the data."""
    return 'luks' in (encryption['provider'] or '').lower()


@contextlib.contextmanager
def copied_keys(ctxt: RequestContext, sources: Sequence[objects.Volume | objects.Snapshot],
                ) -> Iterator[list[NewKey]]:
    """Yield what new_key() does for each volume that the body creates from one of the sources."""
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
    wanted = settings(volume_type)
    if bool(source.encryption_key_id) != bool(wanted):
        is_, wants = ('not encrypted', 'encrypted') if wanted else ('encrypted', 'not encrypted')
        name = volume_type.name if volume_type else None
        raise exception.InvalidInput(
            reason=f'source {source.id} is {is_}, but volumes of type {name} are {wants}')
    if not wanted or isinstance(source, objects.Backup):
        return
    if wanted != settings(_volume_of(source).volume_type):
        raise exception.InvalidInput(
            reason=f'the encryption of source {source.id} differs from that of type '
                   f'{volume_type.name}')


def settings(volume_type: objects.VolumeType | None) -> list | None:
    """Return how hosts encrypt volumes of a type; None: they do not."""
    encryption = volume_type.encryption if volume_type else None
    return [encryption[name] for name in encryption_formats.SETTINGS] if encryption else None


def delete_unused(ctxt: RequestContext) -> None:
    """Delete keys of the project that ended operations have left: only the token of a request may
    do that in Barbican. What fails is tried again with a later request."""
    if keys.is_set_up() and not keys.is_fixed():
        alone = marks.apart(ctxt)
        keys.delete_unused(alone)
        keys.delete_abandoned(alone)


def note_unused(ctxt: RequestContext, resource: objects.Volume | objects.Backup) -> None:
    """Note, in the transaction that deletes a resource or replaces its key, that its key is to be
    deleted: a process that dies after the commit leaves the note."""
    unused_keys.note(ctxt, resource.encryption_key_id, _volume_id(resource), resource.project_id)


def release(ctxt: RequestContext, resource: objects.Volume | objects.Backup) -> bool:
    """Delete a key that was noted, after the commit, unless other resources need it. Return False
    if that fails; it is tried again later."""
    key = resource.encryption_key_id
    if key in (None, FIXED_KEY_ID):
        return True
    if ctxt.together is not None and ctxt.together.after(lambda: release(ctxt, resource)):
        return True
    return keys.delete_noted(ctxt, unused_keys.UnusedKey(key, _volume_id(resource)))


def drop_key(ctxt: RequestContext, resource: objects.Volume | objects.Backup) -> None:
    """Delete the key of a deleted resource, unless other resources need it. If that fails, a user
    message is created."""
    if ctxt.together is not None and ctxt.together.after(lambda: drop_key(ctxt, resource)):
        return
    if not release(ctxt, resource):
        kind = 'backup' if isinstance(resource, objects.Backup) else 'volume'
        operations.create_message(ctxt, kind, resource, f'{kind}.delete',
                                  f'Key {resource.encryption_key_id} was left in the key manager.')
    delete_unused(ctxt)


def _volume_id(resource: objects.Volume | objects.Backup) -> str:
    return resource.volume_id if isinstance(resource, objects.Backup) else resource.id


@contextlib.contextmanager
def key_of_restore(ctxt: RequestContext, backup: objects.Backup,
                   volume: objects.Volume) -> Iterator[dict[str, object]]:
    """Yield the arguments of the restore of a backup to an existing volume: a copy of the key of
    the backup if the volume has another key. It is deleted again if the body fails.

    :raises InvalidVolume: the volume is encrypted in another way.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if keys.are_equal(ctxt, backup.encryption_key_id, volume.encryption_key_id):
        yield {}
        return
    _require_encrypted_alike(ctxt, backup, volume)
    if not backup_rpc.BackupAPI().supports(backup_rpc.GIVES_KEYS):
        raise exception.ServiceTooOld()
    if ctxt.rehearsal is not None:
        yield {}
        return
    delete_unused(ctxt)
    key = keys.copy(ctxt, backup.encryption_key_id)
    with kept_if_committed(ctxt, key, volume.id):
        keys.share(ctxt, key)
        yield {'new_key_id': key}


def _require_encrypted_alike(ctxt: RequestContext, backup: objects.Backup,
                             volume: objects.Volume) -> None:
    """:raises InvalidVolume: hosts cannot read the data of the backup in the volume."""
    encrypted, wanted = bool(backup.encryption_key_id), bool(volume.encryption_key_id)
    if encrypted != wanted:
        kinds = {True: 'encrypted', False: 'not encrypted'}
        raise exception.InvalidVolume(
            reason=f'backup {backup.id} is {kinds[encrypted]}, but volume {volume.id} is '
                   f'{kinds[wanted]}; restore it to a new volume')
    ident, found = volumes_db.type_id_of(ctxt, backup.volume_id), None
    if ident:
        with contextlib.suppress(exception.VolumeTypeNotFound):
            found = settings(types_db.get(ctxt.elevated(), ident))
    if found is None or found != settings(volume.volume_type):
        raise exception.InvalidVolume(
            reason=f'backup {backup.id} is not encrypted as the type of volume {volume.id} says, '
                   'or its own type is not known any more; restore it to a new volume')
