# SPDX-License-Identifier: Apache-2.0
"""The keys of transferred volumes, where keys have owners (Barbican): the services own the key of a
volume that is offered, then the user who accepts it. No former owner can read it any more, but for
the key that backups keep."""
import contextlib
from collections.abc import Iterator

from cinder import exception, objects
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.context import RequestContext
from cinder.db import encryption_keys as keys_db
from cinder.keymgr import keys
from cinder.volume.api import encryption


@contextlib.contextmanager
def offered(ctxt: RequestContext, volume: objects.Volume) -> Iterator[str | None]:
    """Yield the key that the volume has while it is offered; None: it keeps its key.

    :raises InvalidVolume: the services have no credentials to own it.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if not _has_owner(volume):
        yield None
        return
    if keys.service_credentials() is None:
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is encrypted and its key cannot be handed over, because '
                   'the services have no credentials for the key manager')
    with _replacing(ctxt, volume, keys.take_over(ctxt, volume.encryption_key_id)) as made:
        yield made


@contextlib.contextmanager
def accepted(ctxt: RequestContext, volume: objects.Volume) -> Iterator[str | None]:
    """Yield the key of a volume that the caller accepts or takes back; None: it keeps its key.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if not _has_owner(volume) or keys.service_credentials() is None:
        yield None
        return
    with _replacing(ctxt, volume, keys.hand_over(ctxt, volume.encryption_key_id)) as made:
        keys.share(ctxt, made)
        yield made


def withdrawn(ctxt: RequestContext, volume: objects.Volume,
              ) -> contextlib.AbstractContextManager[str | None]:
    """Yield the key of a volume whose offer the caller withdraws; None: it keeps its key, which the
    user of the volume may read.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if ctxt.project_id == volume.project_id or not _has_owner(volume):
        return accepted(ctxt, volume)
    keys.let_user_read(volume.encryption_key_id, volume.user_id)
    return contextlib.nullcontext()


def replace(ctxt: RequestContext, volume: objects.Volume, key: str | None) -> None:
    """Give a volume and its snapshots another key, in the transaction of the caller.

    :raises InvalidVolume: another request has done so.
    """
    holder = keys_db.KeyUser('volume', volume.id, volume.user_id, volume.encryption_key_id)
    if key is None:
        return
    if not keys_db.replace(ctxt, holder, volume.encryption_key_id, key):
        raise exception.InvalidVolume(reason=f'volume {volume.id} was changed meanwhile')
    encryption.note_unused(ctxt, volume)


def _has_owner(volume: objects.Volume) -> bool:
    return (volume.encryption_key_id not in (None, FIXED_KEY_ID) and keys.is_set_up()
            and keys.have_owners())


@contextlib.contextmanager
def _replacing(ctxt: RequestContext, volume: objects.Volume, made: str) -> Iterator[str]:
    """Delete the former key when the body has committed, else the new one."""
    with encryption.kept_if_committed(ctxt, made, volume.id):
        yield made
    encryption.release(ctxt, volume)
