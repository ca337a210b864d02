# SPDX-License-Identifier: Apache-2.0
"""The table of verbs against what is done with it: handlers, states, messages."""
import pytest

from cinder.objects import states
from cinder.objects.verbs import BULK, SHORT, VERBS, message_of
from cinder.operations import runner
from cinder.rpc import backup, scheduler, volume
from cinder.scheduler.manager import SchedulerManager
from cinder.volume.manager import (
    group_snapshots,
    groups,
    images,
    manage_snapshots,
    manage_volumes,
    replication,
    snapshots,
    volume_migrations,
    volumes,
)
from tests.fakes.backup_service import BackupManager

MANAGERS = (volumes.VolumeEndpoint, snapshots.SnapshotEndpoint, groups.GroupEndpoint,
            group_snapshots.GroupSnapshotEndpoint, manage_volumes.ManageVolumesEndpoint,
            manage_snapshots.ManageSnapshotsEndpoint, volume_migrations.MigrationEndpoint,
            images.ImageEndpoint, replication.ReplicationEndpoint)
# Steps of messages that nobody is asked to do.
STEPS = {'volume.schedule', 'volume.attach', 'volume.export', 'group.schedule'}


def _handled(*classes):
    return {verb for each in classes for name in dir(each)
            if isinstance(verb := getattr(getattr(each, name), 'verb', None), str)}


def test_each_verb_has_one_who_does_it():
    done = _handled(*MANAGERS)
    assert done | _handled(BackupManager) == set(VERBS) - STEPS
    assert _handled(SchedulerManager) <= done


@pytest.mark.parametrize('verb', sorted(set(VERBS) - STEPS))
def test_each_verb_has_a_message_that_somebody_sends(verb):
    clients = (volume.VolumeAPI, scheduler.SchedulerAPI, backup.BackupAPI)
    assert any(hasattr(client, message_of(verb)) for client in clients)


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
