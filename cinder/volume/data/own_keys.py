# SPDX-License-Identifier: Apache-2.0
"""Gives a copy of an encrypted volume a key of its own: its header is rewritten, its data is not.
Only new volumes are changed, which no host has open."""
from oslo_log import log as logging

from cinder import exception, objects
from cinder.brick import blocking, disks
from cinder.brick.luks import rekey
from cinder.context import RequestContext
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys
from cinder.volume import driver as driver_api

LOG = logging.getLogger(__name__)


def give(driver: driver_api.VolumeDriver, ctxt: RequestContext, volume: objects.Volume) -> None:
    """Let the key of a volume open its header, in place of the key of its source. A volume whose
    source was never formatted has none: hosts will write it.

    :raises KeyManagerUnavailable: one of the keys cannot be read.
    :raises VolumeDriverException: the header does not fit the key of the source, or is damaged.
    """
    former = _key_of_source(ctxt, volume)
    old, new = (keys.passphrase(ctxt, key) for key in (former, volume.encryption_key_id))
    changed = blocking.copy(_change, driver.local_path(volume), old, new)
    LOG.info('Volume %s %s.', volume.id, 'has a key of its own' if changed else
             'has no header yet, so nothing had to be encrypted again with its key')


def _key_of_source(ctxt: RequestContext, volume: objects.Volume) -> str:
    table = volumes_db if volume.source_volid else snapshots_db
    source = table.get(ctxt, volume.source_volid or volume.snapshot_id)
    if source.encryption_key_id is None:
        raise exception.VolumeDriverException(
            message=f'source {source.id} of encrypted volume {volume.id} has no key')
    return source.encryption_key_id


def _change(path: disks.Place, old: bytes, new: bytes) -> bool:
    with disks.opened(path, writable=True) as disk:
        return rekey.rekey(disk, old, new)
