# SPDX-License-Identifier: Apache-2.0
"""The messages of the backup service: each operation to its host, under the name of its verb."""
import pytest

from cinder import objects
from cinder.rpc import backup as backup_rpc
from cinder.rpc import volume as volume_rpc
from tests.fakes import bus as fake_bus

objects.register_all()


@pytest.mark.parametrize('verb', ['create', 'delete', 'restore', 'import'])
def test_operations_go_to_their_host(monkeypatch, ctxt, verb):
    bus = fake_bus.Bus().install(monkeypatch)
    backup = objects.Backup(id='b')
    operation = objects.Operation(id='o', verb=f'backup.{verb}', resource_type='backup',
                                  host='keeper', cluster=None)
    backup_rpc.BackupAPI().start(ctxt, operation, backup)
    assert bus.sent == [('cast', 'cinder-backup', 'keeper', f'{verb}_backup',
                         {'backup': backup, 'operation': operation})]


def test_what_the_driver_can_is_asked(monkeypatch):
    bus = fake_bus.Bus().install(monkeypatch)
    bus.answers['check_support_to_force_delete'] = True
    assert backup_rpc.BackupAPI().check_support_to_force_delete(None, 'keeper') is True
    assert bus.sent[0].host == 'keeper'


def test_what_it_reads_it_asks_the_back_end_for(monkeypatch):
    bus = fake_bus.Bus().install(monkeypatch)
    bus.answers |= {'open_backup_source': {'path': '/dev/vg/s'}, 'close_backup_source': None}
    volume, backup = objects.Volume(host='h@lvm', cluster_name=None), objects.Backup(id='b')
    api = volume_rpc.VolumeAPI()
    assert api.open_backup_source(None, volume, backup, 'here') == {'path': '/dev/vg/s'}
    api.close_backup_source(None, volume, backup)
    assert bus.sent == [
        ('call', 'cinder-volume', 'h@lvm', 'open_backup_source',
         {'volume': volume, 'backup': backup, 'machine': 'here', 'connector': None}),
        ('call', 'cinder-volume', 'h@lvm', 'close_backup_source',
         {'volume': volume, 'backup': backup})]


def test_a_backup_survives_the_bus():
    serializer = objects.base.CinderObjectSerializer('1.0')
    sent = objects.Backup(id='b', size=1, metadata={'k': 'v'}, parent_id=None)
    received = serializer.deserialize_entity(None, serializer.serialize_entity(None, sent))
    assert (received.id, received.metadata, received.is_incremental) == ('b', {'k': 'v'}, False)
