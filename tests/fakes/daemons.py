# SPDX-License-Identifier: Apache-2.0
"""A scheduler and a volume service that do their work at once, in the database alone."""
from cinder import context
from cinder.db import attachments as attachments_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.rpc import client

ADMIN = context.RequestContext(is_admin=True, roles=['admin'], overwrite=False)
HOST = 'node@fake#pool'
CONNECTION = {'driver_volume_type': 'iscsi', 'data': {'target_lun': 1, 'access_mode': 'rw'},
              'enforce_multipath': False}


def volume(project: str, name: str | None = None, size: int = 1,
           metadata: dict | None = None, host: str = HOST) -> dict[str, str]:
    """{'id', 'name'} of an available volume, as the daemons would have left it."""
    made = volumes_db.create(ADMIN, {
        'project_id': project, 'user_id': 'user', 'size': size, 'status': 'available',
        'attach_status': 'detached', 'display_name': name, 'availability_zone': 'nova',
        'volume_type_id': types_db.default(ADMIN).id, 'host': host}, metadata=metadata)
    return {'id': made.id, 'name': name}


def snapshot(project: str, volume_id: str, name: str | None = None,
             metadata: dict | None = None) -> dict[str, str]:
    """{'id', 'name'} of an available snapshot of a volume of 1 GiB."""
    made = snapshots_db.create(ADMIN, {
        'project_id': project, 'user_id': 'user', 'volume_id': volume_id, 'volume_size': 1,
        'status': 'available', 'progress': '100%', 'display_name': name}, metadata=metadata)
    return {'id': made.id, 'name': name}


class Daemons:
    """Stands in for every sender of messages.

    :ivar messages: names of the messages so far.
    :ivar busy: while true, casts are recorded but not worked on.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.busy = False

    def install(self, monkeypatch) -> 'Daemons':
        monkeypatch.setattr(client.RPCAPI, 'cctxt', lambda *_args, **_kwargs: self)
        return self

    def can_send_version(self) -> bool:
        return True

    def cast(self, ctxt, method: str, **arguments: object) -> None:
        self.messages.append(method)
        if not self.busy:
            getattr(self, method)(ctxt, **arguments)

    def call(self, ctxt, method: str, **arguments: object) -> object:
        client.before_call(ctxt)
        self.messages.append(method)
        return getattr(self, method)(ctxt, **arguments)

    # ------------------------------------------------------------------------------ messages
    def create_volume(self, ctxt, volume, operation) -> None:
        volumes_db.overwrite(ctxt, volume.id, {'status': 'available', 'host': HOST})

    def delete_volume(self, ctxt, volume, operation) -> None:
        for snapshot in snapshots_db.for_volume(ctxt, volume.id):
            snapshots_db.destroy(ctxt, snapshot.id)
        volumes_db.destroy(ctxt, volume.id)

    def extend_volume(self, ctxt, volume, operation) -> None:
        volumes_db.overwrite(ctxt, volume.id, {
            'status': volume.previous_status, 'growth': 0,
            'size': operation.arguments['new_size']})

    def retype_volume(self, ctxt, volume, operation) -> None:
        volumes_db.overwrite(ctxt, volume.id, {
            'status': volume.previous_status,
            'volume_type_id': operation.arguments['new_type_id']})
        # As long as it is unfinished, the volume counts for both types.
        operations_db.claim(ctxt, operation, 'fake', 60)
        operations_db.finish(ctxt, operation)

    def revert_volume(self, ctxt, volume, operation) -> None:
        volumes_db.overwrite(ctxt, volume.id, {'status': 'available'})
        snapshots_db.overwrite(ctxt, operation.arguments['snapshot_id'], {'status': 'available'})

    def create_snapshot(self, ctxt, snapshot, operation) -> None:
        snapshots_db.overwrite(ctxt, snapshot.id, {'status': 'available', 'progress': '100%'})

    def delete_snapshot(self, ctxt, snapshot, operation) -> None:
        snapshots_db.destroy(ctxt, snapshot.id)

    def create_group(self, ctxt, group, operation) -> None:
        groups_db.overwrite(ctxt, group.id, {'status': 'available', 'host': HOST,
                                             'availability_zone': 'nova'})

    def update_group(self, ctxt, group, operation) -> None:
        for ident in operation.arguments['remove']:
            volumes_db.update(ctxt, ident, {'group_id': None})
        groups_db.overwrite(ctxt, group.id, {'status': 'available'})

    def copy_group(self, ctxt, group, operation) -> None:
        for ident in groups_db.volume_ids(ctxt, group.id):
            volumes_db.overwrite(ctxt, ident, {'status': 'available'})
        groups_db.overwrite(ctxt, group.id, {'status': 'available'})

    def delete_group(self, ctxt, group, operation) -> None:
        for ident in groups_db.volume_ids(ctxt, group.id):
            volumes_db.destroy(ctxt, ident)
        groups_db.destroy(ctxt, group.id)

    def create_group_snapshot(self, ctxt, group_snapshot, operation) -> None:
        for ident in group_snapshots_db.snapshot_ids(ctxt, group_snapshot.id):
            snapshots_db.overwrite(ctxt, ident, {'status': 'available', 'progress': '100%'})
        group_snapshots_db.overwrite(ctxt, group_snapshot.id, {'status': 'available'})

    def delete_group_snapshot(self, ctxt, group_snapshot, operation) -> None:
        for ident in group_snapshots_db.snapshot_ids(ctxt, group_snapshot.id):
            snapshots_db.destroy(ctxt, ident)
        group_snapshots_db.destroy(ctxt, group_snapshot.id)

    def initialize_connection(self, ctxt, volume, connector) -> dict:
        return CONNECTION

    def terminate_connection(self, ctxt, volume, connector, force=False) -> None:
        """Nothing to end."""

    def attachment_update(self, ctxt, volume, connector, attachment_id) -> dict:
        attachments_db.update(ctxt, attachment_id, {
            'connector': connector, 'connection_info': CONNECTION,
            'attach_status': 'attaching', 'attached_host': connector['host']})
        volumes_db.overwrite(ctxt, volume.id, {'status': 'attaching', 'attach_status': 'attaching'})
        return CONNECTION

    def attachment_delete(self, ctxt, volume, attachment_id) -> None:
        """Nothing to disconnect."""

    def check_support_to_force_delete(self, ctxt) -> bool:
        return True
