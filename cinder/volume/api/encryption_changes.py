# SPDX-License-Identifier: Apache-2.0
"""Whether another type changes how a volume is encrypted, whether that is possible, and the key for
it. The volume service copies the data (volume/data/encrypted_copy.py)."""
import contextlib
from collections.abc import Iterator

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.keymgr import keys
from cinder.objects import encryption_formats
from cinder.rpc import volume as volume_rpc
from cinder.volume.api import encryption


@contextlib.contextmanager
def key_of_retype(ctxt: RequestContext, volume: objects.Volume, new_type: objects.VolumeType,
                  migration_policy: str) -> Iterator[dict[str, object]]:
    """Yield the arguments of a retype that encrypts or decrypts the volume; none if its data can
    stay as it is. A new key is deleted again if the body fails.

    :raises InvalidInput, InvalidVolume: the change is not possible.
    :raises InvalidVolumeType: no key manager is configured.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if encryption.settings(volume.volume_type) == encryption.settings(new_type):
        yield {}
        return
    _require_possible(ctxt, volume, new_type, migration_policy)
    # The data is copied by this service, whatever the storage could do.
    arguments: dict[str, object] = {'encrypts': True, 'force_host_copy': True}
    if not new_type.encryption or ctxt.rehearsal is not None:
        yield arguments
        return
    encryption.delete_unused(ctxt)
    key = keys.create(ctxt, new_type.encryption)
    with encryption.kept_if_committed(ctxt, key, volume.id):
        _require_shared(ctxt, key, 'a new key')
        yield {**arguments, 'new_key_id': key}


def _require_possible(ctxt: RequestContext, volume: objects.Volume, new_type: objects.VolumeType,
                      migration_policy: str) -> None:
    if migration_policy != 'on-demand':
        raise exception.InvalidInput(
            reason=f'the encryption of type {new_type.name} differs from that of volume '
                   f"{volume.id}, so its data must be copied; use the migration policy 'on-demand'")
    if volume.status != 'available' or volume.attachments:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is in use; its encryption can only be changed while no '
                   'host has it: detach it first')
    for volume_type in (volume.volume_type, new_type):
        _require_known(volume_type)
    if new_type.encryption:
        encryption.require_manager(new_type)
    if not volume_rpc.VolumeAPI().supports(volume_rpc.REKEYS):
        raise exception.ServiceTooOld()
    if volume.encrypted and ctxt.rehearsal is None:
        _require_shared(ctxt, volume.encryption_key_id, f'the key of volume {volume.id}')


def _require_known(volume_type: objects.VolumeType | None) -> None:
    """:raises InvalidInput: the volume service cannot encrypt as the type wants."""
    if volume_type is None or not volume_type.encryption:
        return
    try:
        found = encryption_formats.to_encrypt(volume_type.encryption)
    except ValueError as exc:
        raise exception.InvalidInput(
            reason=f'the data of type {volume_type.name} cannot be copied: {exc}') from None
    if found is None:
        raise exception.InvalidInput(
            reason=f'the data of type {volume_type.name} cannot be copied: hosts do not encrypt it')


def _require_shared(ctxt: RequestContext, key: str, what: str) -> None:
    """:raises KeyUnreadable: the services cannot read the key."""
    if not keys.share(ctxt, key):
        raise exception.KeyUnreadable(what=what)
