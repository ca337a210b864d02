# SPDX-License-Identifier: Apache-2.0
"""A host that the original leaves to the service while an initiator writes: its exports by tgt and
by LIO, and rows as they come out of the copy of its database."""
import contextlib
import uuid

import sqlalchemy as sa
from oslo_utils import timeutils

from cinder.db import models
from cinder.privsep import lio
from tests.lvm import group, initiator, kernel_target, original, service
from tests.lvm.original import CHAP, Traffic
from tests.lvm.service import SECOND, attached, delete, ready

# Seconds between two writes; the services start beside them, on one processor.
PAUSE = 0.5


def begin(suite):
    """Return a transaction of the database."""
    return sa.create_engine(suite.database, poolclass=sa.pool.NullPool).begin()


def forget(suite, found):
    """Remove the events of attachments that the copy has brought: none says that they began."""
    events = models.metadata.tables['events']
    with begin(suite) as conn:
        conn.execute(events.delete().where(events.c.resource_id.in_(
            [volume.attachment for volume in found])))


class Volume:
    """One that the original has exported, and its attachment."""

    def __init__(self, suite, vg):
        self.vg, self.id, self.attachment = vg, ready(suite.client(), volume_type=vg), None
        self.name = f'volume-{self.id}'
        self.by_lio = vg == SECOND and kernel_target.ready()
        path = service.device(self.id, vg)
        self.location = (
            original.export_by_lio(self.name, path, suite.kernel_port) if self.by_lio else
            original.export_by_tgt(suite.files_of_tgt, self.name, path,
                                   suite.tgtd.port))
        self.connection = original.connection(self.location)
        self._store(suite)

    def _store(self, suite):
        """What the copy writes."""
        self.attachment = str(uuid.uuid4())
        volumes, attachments = (models.metadata.tables[name] for name in (
            'volumes', 'volume_attachment'))
        with begin(suite) as conn:
            conn.execute(volumes.update().where(volumes.c.id == self.id).values(
                provider_location=self.location, provider_auth=CHAP, status='in-use',
                attach_status='attached'))
            conn.execute(attachments.insert().values(
                id=self.attachment, volume_id=self.id, attach_status='attached', attach_mode='rw',
                attached_host='lab', deleted=False, created_at=timeutils.utcnow(),
                project_id=sa.select(volumes.c.project_id).where(
                    volumes.c.id == self.id).scalar_subquery(), connector=initiator.CONNECTOR,
                connection_info=self.connection))

    def identity(self):
        if self.by_lio:
            return original.unit_of_lio(self.name)
        unit = original.unit_of_tgt(self.name)
        return unit['SCSI ID'], unit['SCSI SN']


def test_sessions_of_the_original_outlive_the_switch_and_a_boot_and_end_with_the_attachment(
        suite, client, witness, monkeypatch):
    for name, value in suite.tgtd.environment.items():
        monkeypatch.setenv(name, value)
    # More than a start takes.
    monkeypatch.setattr(initiator, '_RECOVERY_SECONDS', 300)
    folder = suite.files_of_tgt
    found = [Volume(suite, vg) for vg in (group.NAME, SECOND)]
    before = [volume.identity() for volume in found]
    with contextlib.ExitStack() as stack:
        traffic = [stack.enter_context(Traffic(stack.enter_context(
            initiator.attached(volume.connection)), PAUSE)) for volume in found]
        sessions = initiator.sessions()
        with service.restarting(suite):
            pass
        for each in traffic:
            each.goes_on()
        assert initiator.sessions() == sessions
        assert [volume.identity() for volume in found] == before
        assert original.unit_of_tgt(found[0].name)['ACL'] == initiator.NAME
        assert {kind for kind, name in service.doctor(suite) if name.startswith(str(folder))} == {
            'saved'}
        assert not {'saved', 'export', 'no-export'} & {
            kind for kind, _name in service.doctor(suite, '--remove-saved-exports')}
        assert not list(folder.iterdir())
        # Until the exports are back; the witness was connected before, with a short time-out.
        with original.paused('iscsid'):
            suite.processes['volume'].kill9()
            suite.tgtd.kill9()
            for volume in found:
                if volume.by_lio:
                    lio.remove(original.iqn(volume.name))
            suite.tgtd.start()
            with service.restarting(suite):
                pass
        for each in traffic:
            each.goes_on()
        assert [volume.identity() for volume in found] == before
        initiator.recover(witness.device)
        witness.check()
    for volume, each in zip(found, traffic, strict=True):
        client.delete(f'attachments/{volume.attachment}')
        assert volume.id not in service.exports(suite)
        assert original.iqn(volume.name) not in kernel_target.names()
        each.check(service.device(volume.id, volume.vg))
        with attached(client, volume.id) as device:
            assert device.endswith(f'{original.iqn(volume.name)}-lun-1')
            assert initiator.read(device, 4096) == each.written[0][:4096]
    delete(client, 'volume', *(volume.id for volume in found))
    forget(suite, found)
