# SPDX-License-Identifier: Apache-2.0
"""RPC client of the volume service.

A cast only starts an operation early: the row of the operation ensures that the work is done even
if the message is lost.
"""
from cinder import objects
from cinder.context import RequestContext
from cinder.rpc import client

# Seconds for which a caller waits for the ranges of a snapshot.
RANGES_SECONDS = 300
# Version from which services give a copy a key of its own, and encrypt a volume anew, where the
# arguments of an operation say so.
REKEYS = '1.6'


class VolumeAPI(client.RPCAPI):
    """Client of cinder-volume.

    Version history: 1.0 first version; 1.1 open_backup_source, close_backup_source;
    1.2 download_volume, reimage_volume, upload_volume; 1.3 open_backup_source has a connector,
    backup_ranges; 1.4 enable_replication_group, disable_replication_group,
    failover_replication_group, list_replication_targets;
    1.5 keep_backup_source, forget_backup_source, backup_ranges has a parent_id;
    1.6 operations may ask for another key, see REKEYS;
    1.7 restore_volume, restore_snapshot, purge_trash.
    """

    TOPIC = 'cinder-volume'
    BINARY = 'cinder-volume'
    RPC_API_VERSION = '1.7'

    def _to(self, host: str | None, cluster: str | None, version: str = '1.0',
            timeout: float | None = None) -> client.Sender:
        """Return a sender for the back end, or for any host of its cluster."""
        return self.cctxt(host=cluster or host, version=version, timeout=timeout)

    def _ask(self, ctxt: RequestContext, method: str, volume: objects.Volume, *,
             version: str = '1.0', **arguments: object) -> object:
        return self._to(volume.host, volume.cluster_name, version).call(
            ctxt, method, volume=volume, **arguments)

    def use_backend(self, ctxt: RequestContext, host: str, backend_id: str | None) -> None:
        """Tell a host of a cluster which copy of its data the cluster uses (failover)."""
        self.cctxt(host=host, version='1.0').cast(ctxt, 'use_backend', backend_id=backend_id)

    def initialize_connection(self, ctxt: RequestContext, volume: objects.Volume,
                              connector: dict) -> dict:
        """Export the volume to a connector; return {'driver_volume_type', 'data', ...}."""
        return self._ask(ctxt, 'initialize_connection', volume, connector=connector)

    def terminate_connection(self, ctxt: RequestContext, volume: objects.Volume,
                             connector: dict | None, force: bool = False) -> None:
        """End the access of a connector (None: of all) and wait until it has ended."""
        self._ask(ctxt, 'terminate_connection', volume, connector=connector, force=force)

    def attachment_update(self, ctxt: RequestContext, volume: objects.Volume, connector: dict,
                          attachment_id: str) -> dict:
        """Connect an attachment; return its connection info."""
        return self._ask(ctxt, 'attachment_update', volume, connector=connector,
                         attachment_id=attachment_id)

    def attachment_delete(self, ctxt: RequestContext, volume: objects.Volume,
                          attachment_id: str) -> None:
        """Disconnect an attachment and wait until the back end has removed the export."""
        self._ask(ctxt, 'attachment_delete', volume, attachment_id=attachment_id)

    def device_of(self, ctxt: RequestContext, volume: objects.Volume, machine: str) -> dict:
        """Return how a service on the same machine reaches the data of a volume.

        :param machine: machine of the service, see host_names.machine_id().
        :returns: {'path', 'reads_zeros'}: path of the device, None on another machine; whether
            blocks that were never written read as zeros.
        """
        return self._ask(ctxt, 'device_of', volume, machine=machine)

    def open_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                           backup: objects.Backup, machine: str,
                           connector: dict | None = None) -> dict:
        """Return a device with the data of the temporary snapshot of a backup, or of the snapshot
        that `backup` names; or of the volume itself if its storage cannot read snapshots. The
        data does not change until the operation that creates the backup ends. The device stays
        until close_backup_source(), which must be called, also for a failed backup; until then the
        same device is returned again.

        :param machine: machine of the backup service, see host_names.machine_id().
        :param connector: of the backup service on another machine, to which the snapshot is
            exported.
        :returns: {'path', 'snapshot_id'}: the path is None on another machine; the snapshot is None
            if the volume itself must be read. Then it has the status backing-up. With a connector
            also 'connection', the information for os-brick.
        :raises InvalidVolume: its storage cannot read snapshots, and the volume is in use.
        """
        return self._ask(ctxt, 'open_backup_source', volume, version='1.3', backup=backup,
                         machine=machine, connector=connector)

    def backup_ranges(self, ctxt: RequestContext, volume: objects.Volume, backup: objects.Backup,
                      base_id: str | None = None, start: int = 0,
                      parent_id: str | None = None) -> dict:
        """Return a page of the ranges of the open snapshot of a backup that have data, in bytes, in
        order and without overlaps.

        :param base_id: another snapshot of the volume: the ranges that may differ from that instead
        :param start: number of ranges before the page
        :param parent_id: a backup whose snapshot was kept by keep_backup_source(), instead of
            `base_id`; `ranges` is None if there is none
        :returns: {'ranges', 'next', 'compares'}: [[offset, length], ...]; the start of the next
            page, None at the end; whether it is of use to keep the snapshot as a later base.
            `ranges` is None if the storage does not know them.
        :raises SnapshotNotFound: the base does not exist.
        """
        more = {'parent_id': parent_id} if parent_id else {}
        sender = self._to(volume.host, volume.cluster_name, '1.5' if more else '1.3',
                          RANGES_SECONDS)
        return sender.call(ctxt, 'backup_ranges', volume=volume, backup=backup, base_id=base_id,
                           start=start, **more)

    def keep_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                           backup: objects.Backup, name: str, most: int) -> bool:
        """Keep the temporary snapshot of a backup on the storage under another name; return whether
        the storage does that. It may be repeated.

        :param most: number of such snapshots of the volume that stay, the newest; 0: all
        """
        return bool(self._ask(ctxt, 'keep_backup_source', volume, version='1.5', backup=backup,
                              name=name, most=most))

    def forget_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                             backup: objects.Backup) -> None:
        """Remove the snapshot that was kept for a backup."""
        self._ask(ctxt, 'forget_backup_source', volume, version='1.5', backup=backup)

    def close_backup_source(self, ctxt: RequestContext, volume: objects.Volume,
                            backup: objects.Backup) -> None:
        """Close the device, unless another backup that is being created reads the same snapshot.

        :raises SnapshotIsBusy: the device is still open.
        """
        self._ask(ctxt, 'close_backup_source', volume, version='1.1', backup=backup)

    def get_manageable_volumes(self, ctxt: RequestContext, host: str | None, cluster: str | None, *,
                               limit: int, offset: int = 0, marker: dict | None = None,
                               sort: list | None = None) -> list[dict]:
        """Return the unmanaged volumes of a back end, see driver.ManagesVolumes.

        :param marker: reference of the last entry of the previous page.
        :param sort: [('reference' or 'size', 'asc' or 'desc')].
        """
        return self._to(host, cluster).call(ctxt, 'get_manageable_volumes', limit=limit,
                                            offset=offset, marker=marker, sort=sort)

    def get_manageable_snapshots(self, ctxt: RequestContext, host: str | None, cluster: str | None,
                                 *, limit: int, offset: int = 0, marker: dict | None = None,
                                 sort: list | None = None) -> list[dict]:
        """Return the unmanaged snapshots of a back end, see driver.ManagesSnapshots."""
        return self._to(host, cluster).call(ctxt, 'get_manageable_snapshots', limit=limit,
                                            offset=offset, marker=marker, sort=sort)

    def get_capabilities(self, ctxt: RequestContext, host: str, discover: bool = False) -> dict:
        """Return the capabilities of the back end 'host@backend', as its driver reports them."""
        return self.cctxt(host=host, version='1.0').call(ctxt, 'get_capabilities',
                                                         discover=discover)

    def list_replication_targets(self, ctxt: RequestContext, group: objects.Group) -> list[dict]:
        """Return the storages that have copies of the volumes of a group, see
        driver.ReplicatesGroups."""
        return self._to(group.host, group.cluster_name, '1.4').call(
            ctxt, 'list_replication_targets', group=group)

    def publish_service_capabilities(self, ctxt: RequestContext) -> None:
        """Ask all volume services to send their capabilities to the schedulers now."""
        self.cctxt(version='1.0', fanout=True).cast(ctxt, 'publish_service_capabilities')
