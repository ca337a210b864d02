# SPDX-License-Identifier: Apache-2.0
"""Volumes and snapshots of other machines, connected to this one through os-brick while a backup
service reads or writes them."""
import contextlib
from collections.abc import Iterator
from typing import Any, cast

from cinder import exception, objects, operations
from cinder.brick import disks
from cinder.brick.ceph.address import Address
from cinder.brick.ceph.cluster import Settings
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
    with remote_attach.connected(ctxt, api, volume,
                                 cast(remote_attach.Initiator, initiator)) as path:
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


def _initiator() -> '_Initiator':
    """Return this machine as an initiator, with the options of [backend_defaults]."""
    return _Initiator(remote_attach.Initiator(configuration.Configuration()))


class _Initiator:
    """An initiator that opens images of RBD by their address: os-brick has no deadline for them,
    and reads no snapshots."""

    def __init__(self, inner: remote_attach.Initiator) -> None:
        self._inner = inner
        self.connector = inner.connector

    def connect(self, info: dict[str, Any]) -> disks.Place:
        """Return the device or the address of a connection."""
        return place_of_image(info['data']) if _is_image(info) else self._inner.connect(info)

    def disconnect(self, info: dict[str, Any], device: disks.Place | None = None) -> None:
        """End a connection."""
        if not _is_image(info):
            self._inner.disconnect(info, device)


def _is_image(info: dict[str, Any]) -> bool:
    return info.get('driver_volume_type') == 'rbd'


def place_of_image(data: dict[str, Any]) -> str:
    """Return the address of an image of RBD from the information of a connection. This machine has
    a ceph.conf of the cluster and a keyring of the user where librados looks for them."""
    pool, _slash, rest = data['name'].partition('/')
    image, _at, snapshot = rest.partition('@')
    return str(Address(pool, image, snapshot=snapshot, settings=Settings(
        user=data['auth_username'] or '', cluster_name=data['cluster_name'])))
