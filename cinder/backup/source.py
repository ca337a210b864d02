# SPDX-License-Identifier: Apache-2.0
"""Where the data of a backup is read: a device or an image, of a snapshot or of a volume
that does not change meanwhile, and the ranges to read. The volume service opens and exports it."""
import array
import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from oslo_log import log as logging

from cinder import exception, host_names, objects, operations, quota
from cinder.backup import connections, devices, volume_data
from cinder.backup import facts as facts_api
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backup_sources, journal, session
from cinder.db import backups as backups_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.i18n import _
from cinder.rpc import volume as volume_rpc

LOG = logging.getLogger(__name__)

GIB = 1024 ** 3


@dataclasses.dataclass
class Source:
    """The open data of a backup.

    :ivar data: the same as long as the backup is being created. It is closed when the context ends
    :ivar size: bytes to back up, from offset 0; the device may be larger
    :ivar identity: text that is the same as long as the data is; a later attempt of the operation,
        also on another host, continues what was written only if it finds the same identity
    """

    data: volume_data.Readable
    size: int
    identity: str
    _ctxt: RequestContext
    _volume: objects.Volume
    _backup: objects.Backup
    _snapshot_id: str | None
    _api: volume_rpc.VolumeAPI
    _compares: bool = False

    def facts(self, parent: objects.Backup | None = None) -> facts_api.Source:
        """Return what chunked.writer reads, with the mapped ranges or, if the backup is an
        incremental one, those that changed since its parent, as far as the storage knows."""
        base_id = self._base_of(parent) if parent else None
        if parent and base_id is None:
            # The storage may have kept one without a row.
            changed = self._ranges(None, parent.id)
            if changed is not None:
                return facts_api.Source(self.data, self.size, identity=self.identity,
                                        changed=changed)
        ranges = self._ranges(base_id)
        return facts_api.Source(self.data, self.size, identity=self.identity,
                                **{'changed' if base_id else 'mapped': ranges})

    def _base_of(self, parent: objects.Backup) -> str | None:
        """Return the id of the snapshot with the data of a backup, if it still exists."""
        present = {each.id for each in snapshots_db.for_volume(self._ctxt, self._volume.id)
                   if each.status == 'available'}
        ids = (parent.snapshot_id, backup_sources.snapshot_id(parent.id))
        return next((ident for ident in ids if ident in present), None)

    def _ranges(self, base_id: str | None,
                parent_id: str | None = None) -> Iterable[volume_data.Range] | None:
        """Return the ranges that the volume service reports; None if it knows none."""
        if self._snapshot_id is None:
            return None
        numbers, start = array.array('Q'), 0
        more = {'parent_id': parent_id} if parent_id else {}
        try:
            while start is not None:
                page = self._api.backup_ranges(self._ctxt, self._volume, self._backup, base_id,
                                               start, **more)
                if page['ranges'] is None:
                    return None
                self._compares = page['compares']
                numbers.extend(itertools.chain.from_iterable(page['ranges']))
                start = page['next']
        except (exception.ServiceUnavailable, exception.SnapshotNotFound) as exc:
            LOG.warning('All data of backup %s is read: the ranges to read are not known: %s',
                        self._backup.id, exc)
            return None
        return Ranges(numbers, self.size)

    def keep_as_base(self) -> bool:
        """Keep the snapshot for the ranges of the next incremental backup, if the option
        backup_keep_base_snapshot says so and the quota allows it; return whether it is kept. Call
        it when all data is in the store; a snapshot that is not kept is deleted when the
        operation ends."""
        if not CONF.backup_keep_base_snapshot or self._snapshot_id is None \
                or self._backup.snapshot_id or not self._compares:
            return False
        try:
            replaced = _keep_snapshot(self._ctxt, self._volume, self._backup)
        except exception.QuotaError as exc:
            LOG.warning('The snapshot of backup %s is not kept: %s', self._backup.id, exc)
            return False
        for snapshot, operation in replaced:
            self._api.start(self._ctxt, operation, snapshot)
        return True


def keep(ctxt: RequestContext, volume: objects.Volume, backup: objects.Backup,
         name: str | None) -> bool:
    """Have the storage keep the snapshot that a backup was read from under another name, for the
    next incremental backup; return whether it is kept.

    :param name: a FormatDriver's source_snapshot(); None: it need not be kept
    """
    if name is None or backup.snapshot_id:
        return False
    try:
        return volume_rpc.VolumeAPI().keep_backup_source(ctxt, volume, backup, name,
                                                         CONF.backup_ceph_max_snapshots)
    except Exception as exc:
        LOG.warning('The next incremental backup of volume %s compares all data: the snapshot of '
                    'backup %s was not kept: %s', volume.id, backup.id, exc)
        return False


def forget(ctxt: RequestContext, backup: objects.Backup) -> None:
    """Have the storage remove the snapshot that keep() has kept for a backup that was deleted; the
    next backup of the volume removes what is left."""
    if not (backup.service or '').endswith('.CephBackupDriver'):
        return
    try:
        volume = volumes_db.get(ctxt.elevated(), backup.volume_id)
        volume_rpc.VolumeAPI().forget_backup_source(ctxt, volume, backup)
    except exception.VolumeNotFound:
        return
    except Exception as exc:
        LOG.warning('The snapshot of backup %s in the image of volume %s was not removed; the '
                    'next backup of the volume does it: %s', backup.id, backup.volume_id, exc)


@session.retry_on_deadlock
def _keep_snapshot(ctxt: RequestContext, volume: objects.Volume,
                   backup: objects.Backup) -> list[backup_sources.Removal]:
    with session.writer(ctxt):
        quota.check_new_snapshot(ctxt, volume.project_id, backup.size, volume.volume_type)
        return backup_sources.keep_snapshot(ctxt, volume, backup)


def start_removal(ctxt: RequestContext, backup_id: str) -> None:
    """Have the volume service delete at once what a backup that has ended does not need any more:
    the operation is in the journal already. A snapshot of a user is closed again, because the first
    time another backup may have read it."""
    with contextlib.suppress(exception.BackupNotFound, exception.VolumeNotFound):
        backup = backups_db.get(ctxt, backup_id)
        if backup.snapshot_id:
            _close(ctxt, volume_rpc.VolumeAPI(), volumes_db.get(ctxt, backup.volume_id), backup)
            return
    ident = backup_sources.snapshot_id(backup_id)
    for operation in journal.unfinished_for(ctxt, ident):
        with contextlib.suppress(exception.SnapshotNotFound):
            volume_rpc.VolumeAPI().start(ctxt, operation, snapshots_db.get(ctxt, ident))


class Ranges:
    """Ranges that can be read several times, in any thread.

    :param numbers: offset and length of each range, in bytes: one number after the other
    :param size: bytes of the data; the last range may be longer, because a storage reports whole
        blocks
    """

    def __init__(self, numbers: 'array.array[int]', size: int) -> None:
        self._numbers, self._size = numbers, size

    def __iter__(self) -> Iterator[volume_data.Range]:
        for offset, length in zip(self._numbers[::2], self._numbers[1::2], strict=True):
            if offset < self._size:
                yield offset, min(length, self._size - offset)


@contextlib.contextmanager
def open(ctxt: RequestContext, operation: objects.Operation,
         backup: objects.Backup) -> Iterator[Source]:
    """Open the data of a backup that is being created.

    Call it within OperationRunner.claimed(), also when an attempt is repeated. The end of the
    operation (operations.succeed, fail, abandon) deletes the temporary snapshot and releases a
    volume that was held, whatever happened before; nothing else has to be cleaned up.

    :param operation: the operation backup.create
    :raises NotYet: the snapshot is still being created, or the volume service does not answer.
    :raises VolumeNotFound, SnapshotNotFound: there is nothing to read.
    :raises InvalidVolume: it cannot be read while the volume is in use, or on this machine; or,
        when the context ends, another request changed the volume while it was read.
    """
    volume = volumes_db.get(ctxt, backup.volume_id)
    _wait_for_snapshot(ctxt, operation, backup)
    api = volume_rpc.VolumeAPI()
    with contextlib.ExitStack() as stack:
        with connections.awaited(ctxt, operation, volume):
            found = api.open_backup_source(ctxt, volume, backup, host_names.machine_id())
            stack.callback(_close, ctxt, api, volume, backup)
            path, snapshot_id = found['path'], found['snapshot_id']
            if path is None and snapshot_id is None:
                path = stack.enter_context(connections.volume(ctxt, api, volume))
            elif path is None:
                path = stack.enter_context(connections.snapshot(ctxt, api, volume, backup))
        data = stack.enter_context(devices.opened(path))
        identity = snapshot_id or backup_sources.hold_of(ctxt, volume.id)
        yield Source(data, backup.size * GIB, identity, ctxt, volume, backup, snapshot_id,
                     api)
        if snapshot_id is None and backup_sources.hold_of(ctxt, volume.id) != identity:
            raise exception.InvalidVolume(
                reason=f'the status of volume {volume.id} was changed while the backup read it, so '
                       'its data may have changed too')


def _wait_for_snapshot(ctxt: RequestContext, operation: objects.Operation,
                       backup: objects.Backup) -> None:
    """Return when the snapshot was created, or could not be created.

    :raises NotYet: it is being created.
    """
    ident = backup_sources.read_by(backup)
    snapshot = snapshots_db.get(ctxt, ident)
    if snapshot.status == 'creating':
        operations.wait(ctxt, operation, f'snapshot {ident}')
    if snapshot.status not in ('available', 'error'):
        raise exception.InvalidSnapshot(
            reason=_('snapshot %(id)s, which the backup reads, is in status %(status)s') % {
                'id': ident, 'status': snapshot.status})


def _close(ctxt: RequestContext, api: volume_rpc.VolumeAPI, volume: objects.Volume,
           backup: objects.Backup) -> None:
    """Close the device; if that fails, the deletion of the snapshot closes it."""
    try:
        api.close_backup_source(ctxt, volume, backup)
    except Exception:
        LOG.exception('The device that backup %s was read from could not be closed yet.', backup.id)
