# SPDX-License-Identifier: Apache-2.0
"""Use cases of volume transfers: offer a volume, accept the offer with its key, withdraw the offer.

The storage is not touched: only rows change their project.
"""
import contextlib
import hmac
import secrets

from cinder import exception, fault_points, objects, quota
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backup_sources, session
from cinder.db import quotas as quotas_db
from cinder.db import snapshots as snapshots_db
from cinder.db import transfers as transfers_db
from cinder.db import volume_requirements as requirements
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.volume.api import notices, transfer_keys

# Hexadecimal digits of an HMAC-SHA1.
_ORIGINAL_DIGITS = 40


def create(ctxt: RequestContext, volume: objects.Volume, name: str | None = None,
           no_snapshots: bool = False, encrypted_ok: bool = False) -> dict:
    """Offer a volume to the project that has the key.

    :param no_snapshots: leave the snapshots in their project.
    :param encrypted_ok: the microversion of the request supports encrypted volumes.
    :returns: columns of the transfer, and `auth_key`, which is returned only once.
    :raises InvalidVolume: status, encryption, group, migration or snapshots forbid it.
    """
    if volume.encrypted and (no_snapshots or not encrypted_ok):
        raise exception.InvalidVolume(
            reason=f'volume {volume.id} is encrypted and cannot be transferred '
                   + ('without its snapshots' if encrypted_ok else 'before microversion 3.70'))
    key = _word(CONF.volume_transfer_key_length)
    salt = _word(CONF.volume_transfer_salt_length)
    values = {'volume_id': volume.id, 'display_name': name, 'salt': salt,
              'crypt_hash': _digest(salt, key), 'no_snapshots': no_snapshots,
              'source_project_id': volume.project_id, 'accepted': False}
    with transfer_keys.offered(ctxt, volume) as kept_key:
        return {**_offer(ctxt, volume, values, kept_key), 'auth_key': key}


@session.retry_on_deadlock
def _offer(ctxt: RequestContext, volume: objects.Volume, values: dict,
           key: str | None) -> dict:
    # A backup that is being created belongs to this project, so it must not read later data.
    conditions = [requirements.not_migrating, requirements.no_group, backup_sources.volume_unread]
    if not values['no_snapshots']:
        conditions.append(requirements.snapshots_available)
    with (fault_points.around('transfer.create:api:commit'), session.writer(ctxt),
          notices.of_change(ctxt, 'volume.transfer.create', volume)):
        volumes_db.transition(ctxt, volume, 'transfer_create', conditions=tuple(conditions))
        transfer_keys.replace(ctxt, volume, key)
        # An earlier offer is left when an administrator reset the status; its key must become
        # invalid.
        transfers_db.destroy_for_volume(ctxt, volume.id)
        return transfers_db.create(ctxt, values)


def accept(ctxt: RequestContext, transfer_id: str, auth_key: str) -> dict:
    """Move the volume of a transfer, and its snapshots, to the project of the caller.

    :returns: the transfer as it was offered.
    :raises TransferNotFound: the transfer does not exist or has ended; or the key is wrong and the
        transfer belongs to another project, which must not learn of it.
    :raises InvalidAuthKey: the key is wrong.
    :raises InvalidVolume: the status of the volume or of a snapshot was changed meanwhile.
    :raises QuotaError: the project has too little quota.
    """
    # The transfer and the volume still belong to another project.
    everywhere = ctxt.elevated()
    transfer = transfers_db.get_with_secret(everywhere, transfer_id)
    if not _fits(transfer, auth_key):
        if not ctxt.is_admin and ctxt.project_id != transfer['source_project_id']:
            raise exception.TransferNotFound(transfer_id=transfer_id)
        raise exception.InvalidAuthKey(transfer_id=transfer_id)
    volume = volumes_db.get(everywhere, transfer['volume_id'])
    with transfer_keys.accepted(everywhere, volume) as key:
        _move(everywhere, transfer, volume, key)
    return transfer


@session.retry_on_deadlock
def _move(ctxt: RequestContext, transfer: dict, volume: objects.Volume,
          key: str | None) -> None:
    source, destination = transfer['source_project_id'], ctxt.project_id
    owner = {'project_id': destination, 'user_id': ctxt.user_id}
    conditions = () if transfer['no_snapshots'] else (requirements.snapshots_available,)
    with (fault_points.around('transfer.accept:api:commit'), session.writer(ctxt),
          notices.of_change(ctxt, 'volume.transfer.accept', volume)):
        # Always in the same order, so that two transfers in opposite directions cannot deadlock.
        for project_id in sorted({source, destination}):
            quotas_db.lock(ctxt, project_id)
        transfers_db.accept(ctxt, transfer['id'], destination)
        snapshots = [] if transfer['no_snapshots'] else snapshots_db.for_volume(ctxt, volume.id)
        if source != destination:
            quota.check_transfer(ctxt, destination, volume, snapshots)
        transfer_keys.replace(ctxt, volume, key)
        volumes_db.transition(ctxt, volume, 'transfer_accept', conditions=conditions, **owner)
        if snapshots:
            snapshots_db.change_owner(ctxt, volume.id, **owner)


def delete(ctxt: RequestContext, transfer: dict) -> None:
    """Withdraw an offer; the volume becomes available again.

    :raises TransferNotFound: another request has ended it.
    :raises KeyManagerUnavailable: its key cannot be given back.
    """
    with contextlib.ExitStack() as keys:
        volume = key = None
        with contextlib.suppress(exception.VolumeNotFound):
            volume = volumes_db.get(ctxt.elevated(), transfer['volume_id'])
        if volume is not None and volume.status == states.VOLUME['transfer_delete'].allowed[0]:
            key = keys.enter_context(transfer_keys.withdrawn(ctxt, volume))
        _withdraw(ctxt, transfer, volume, key)


@session.retry_on_deadlock
def _withdraw(ctxt: RequestContext, transfer: dict, volume: objects.Volume | None,
              key: str | None) -> None:
    row = states.VOLUME['transfer_delete']
    noted = (notices.of_change(ctxt, 'volume.transfer.delete', volume) if volume is not None
             else contextlib.nullcontext())
    with session.writer(ctxt), noted:
        transfers_db.destroy(ctxt, transfer['id'])
        if volume is not None:
            transfer_keys.replace(ctxt, volume, key)
        # A volume whose status was reset by an administrator keeps that status.
        volumes_db.finish_transition(ctxt, transfer['volume_id'], row.allowed[0], row.meanwhile, {})


def _word(length: int) -> str:
    return secrets.token_hex(length)[:length]


def _fits(transfer: dict, key: str) -> bool:
    """Return whether it is the key of the transfer. Those that were copied from the original Cinder
    have its digest."""
    stored = str(transfer['crypt_hash'])
    algorithm = 'sha1' if len(stored) == _ORIGINAL_DIGITS else 'sha256'
    return hmac.compare_digest(_digest(transfer['salt'], key, algorithm).encode(), stored.encode())


def _digest(salt: str, key: str, algorithm: str = 'sha256') -> str:
    return hmac.digest(salt.encode(), key.encode(), algorithm).hex()
