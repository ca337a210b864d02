# SPDX-License-Identifier: Apache-2.0
"""Volumes and snapshots of other machines, connected to this one through os-brick while a backup
service reads or writes them."""
import contextlib
from collections.abc import Iterator
from typing import cast

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.rpc import volume as volume_rpc
from cinder.volume import configuration
from cinder.volume.data import remote_attach

# Seconds for which an operation waits for an answer of the volume service.
ANSWER_SECONDS = 600


@contextlib.contextmanager
def awaited(ctxt: RequestContext, operation: objects.Operation,
            volume: objects.Volume) -> Iterator[None]:
    """Have an operation wait while the volume service of a volume does not answer to the body.

    :raises NotYet: it does not answer.
    """
    try:
        yield
    except exception.ServiceUnavailable as exc:
        operations.wait(ctxt, operation, f'an answer of {volume.host}', within=ANSWER_SECONDS,
                        otherwise=exc)


@contextlib.contextmanager
def volume(ctxt: RequestContext, api: volume_rpc.VolumeAPI,
           volume: objects.Volume) -> Iterator[str]:
    """Yield the device of a volume that another machine exports. Its data is as on the storage: an
    encrypted volume is not decrypted.

    :raises InvalidVolume: it is not exported to other machines.
    """
    initiator = _initiator()
    with remote_attach.connected(ctxt, api, volume, initiator) as path:
        yield cast(str, path)


@contextlib.contextmanager
def snapshot(ctxt: RequestContext, api: volume_rpc.VolumeAPI, volume: objects.Volume,
             backup: objects.Backup) -> Iterator[str]:
    """Yield the device of the snapshot that a backup reads; close_backup_source() ends its export.

    :raises InvalidVolume: it is not exported to other machines.
    """
    initiator = _initiator()
    found = api.open_backup_source(ctxt, volume, backup, '', connector=initiator.connector())
    device = None
    try:
        device = initiator.connect(found['connection'])
        yield cast(str, device)
    finally:
        initiator.disconnect(found['connection'], device)


def _initiator() -> remote_attach.Initiator:
    """Return this machine as an initiator, with the options of [backend_defaults]."""
    return remote_attach.Initiator(configuration.Configuration())
