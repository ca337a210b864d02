# SPDX-License-Identifier: Apache-2.0
"""The table of verbs against what is done with it: handlers, states, messages."""
import types

import pytest

from cinder import objects
from cinder.api import faults
from cinder.backup import create as backup_create
from cinder.backup import delete as backup_delete
from cinder.backup import records as backup_records
from cinder.backup import restore as backup_restore
from cinder.objects import states
from cinder.objects.verbs import BULK, SHORT, VERBS, message_of
from cinder.operations import runner
from cinder.rpc import backup, scheduler, volume
from cinder.scheduler.manager import SchedulerManager
from cinder.volume.manager import (
    group_replication,
    group_snapshots,
    groups,
    images,
    manage_snapshots,
    manage_volumes,
    replication,
    snapshots,
    trash,
    volume_migrations,
    volumes,
)

MANAGERS = (volumes.VolumeEndpoint, snapshots.SnapshotEndpoint, groups.GroupEndpoint,
            group_snapshots.GroupSnapshotEndpoint, manage_volumes.ManageVolumesEndpoint,
            manage_snapshots.ManageSnapshotsEndpoint, volume_migrations.MigrationEndpoint,
            images.ImageEndpoint, replication.ReplicationEndpoint,
            group_replication.GroupReplicationEndpoint, trash.TrashEndpoint)
BACKUP = (backup_create.CreateEndpoint, backup_restore.RestoreEndpoint,
          backup_delete.DeleteEndpoint, backup_records.RecordEndpoint)
# Steps of messages that nobody is asked to do.
STEPS = {'volume.schedule', 'volume.attach', 'volume.export', 'group.schedule'}


def _handled(*classes):
    return {verb for each in classes for name in dir(each)
            if isinstance(verb := getattr(getattr(each, name), 'verb', None), str)}


def test_each_verb_has_one_who_does_it():
    done = _handled(*MANAGERS)
    assert done | _handled(*BACKUP) == set(VERBS) - STEPS
    assert _handled(SchedulerManager) <= done


def test_faults_can_be_injected_into_all_that_is_done_for_users():
    assert set(faults.WITHOUT) == STEPS | {'service.failover'}


# What peers of other releases understand: message -> the version that has it.
WIRE = dict.fromkeys((
    'create_volume', 'delete_volume', 'extend_volume', 'retype_volume', 'revert_volume',
    'migrate_volume', 'manage_volume', 'unmanage_volume', 'forget_volume', 'create_snapshot',
    'delete_snapshot', 'manage_snapshot', 'unmanage_snapshot', 'create_group', 'update_group',
    'copy_group', 'delete_group', 'create_group_snapshot', 'delete_group_snapshot',
    'failover_service', 'create_backup', 'delete_backup', 'restore_backup', 'import_backup',
), '1.0') | dict.fromkeys(('download_volume', 'reimage_volume', 'upload_volume'), '1.2'
                            ) | dict.fromkeys((
    'enable_replication_group', 'disable_replication_group', 'failover_replication_group'), '1.4'
                            ) | dict.fromkeys((
    'restore_volume', 'restore_snapshot', 'purge_trash'), '1.7')


def test_messages_are_called_as_peers_know_them():
    assert {message_of(verb): VERBS[verb].since for verb in set(VERBS) - STEPS} == WIRE


@pytest.mark.parametrize(('api', 'cluster', 'address'), [
    (volume.VolumeAPI, None, 'h@b'), (volume.VolumeAPI, 'c@b', 'c@b'),
    (scheduler.SchedulerAPI, None, None), (backup.BackupAPI, None, 'h@b')])
@pytest.mark.parametrize('verb', sorted(set(VERBS) - STEPS))
def test_operations_go_to_who_has_them_to_do(monkeypatch, ctxt, api, cluster, address, verb):
    sent = []

    def cctxt(self, host=None, version=None):
        return types.SimpleNamespace(cast=lambda _ctxt, method, **arguments: sent.append(
            (host, version, method, arguments)))
    monkeypatch.setattr(api, 'cctxt', cctxt)
    kind = verb.partition('.')[0]
    operation = objects.Operation(verb=verb, resource_type=kind, host='h@b', cluster=cluster)
    resource = None if kind == 'service' else 'it'
    api().start(ctxt, operation, resource)
    about = {} if resource is None else {kind: 'it'}
    assert sent == [(address, WIRE[message_of(verb)], message_of(verb),
                     {'operation': operation, **about})]


def test_rows_are_whole():
    assert {row.kind for row in VERBS.values()} == {SHORT, BULK}
    assert len({row.step for row in VERBS.values()}) == len(VERBS)
    for verb in set(VERBS) - STEPS - {'service.failover'}:
        kind, _, name = verb.partition('.')
        table = getattr(states, kind.upper())
        # An image is written under the name of what it is for.
        assert name in table or name in ('upload', 'download'), verb


def test_handlers_are_found_in_instances():
    class Doer:
        @runner.handles('volume.extend')
        def extend_volume(self, _ctxt, operation, _volume=None):
            self.done = operation

    doer = Doer()
    runner.handlers_of(doer)['volume.extend'](None, 'it')
    assert doer.done == 'it'
