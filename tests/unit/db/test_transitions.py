# SPDX-License-Identifier: Apache-2.0
"""Changes of status: one UPDATE, or a reason."""
import pytest

from cinder import exception
from cinder.db import attachments, snapshots, volumes
from cinder.db import volume_requirements as requirements


def test_one_update_and_the_object_follows(make_volume, ctxt, statements):
    volume = make_volume()
    statements.clear()
    volumes.transition(ctxt, volume, 'extend', growth=3)
    # And one that records the event.
    assert [text.split()[0] for text in statements] == ['UPDATE', 'INSERT']
    assert (volume.status, volume.previous_status, volume.growth) == ('extending', 'available', 3)
    read = volumes.get(ctxt, volume.id)
    assert (read.status, read.previous_status, read.growth) == ('extending', 'available', 3)
    assert volume.obj_what_changed() == set()


def test_refused_in_another_status_whatever_the_caller_believed(make_volume, ctxt):
    volume = make_volume()
    volumes.overwrite(ctxt, volume.id, {'status': 'deleting'})
    with pytest.raises(exception.InvalidVolume, match="status 'deleting'.*available"):
        volumes.transition(ctxt, volume, 'extend')
    assert volume.status == 'available'


def test_the_table_says_conflict(make_volume, ctxt):
    volume = make_volume(status='error')
    with pytest.raises(exception.ConflictingVolumeState):
        volumes.transition(ctxt, volume, 'attachment_update')


def test_status_by_keyword_wins(make_volume, ctxt):
    volume = make_volume(status='detaching')
    volumes.transition(ctxt, volume, 'roll_detaching', status='in-use')
    assert volumes.get_row(ctxt, volume.id)['status'] == 'in-use'


def test_a_check_alone_keeps_both_statuses(make_volume, ctxt):
    volume = make_volume(previous_status='in-use')
    volumes.transition(ctxt, volume, 'metadata')
    read = volumes.get(ctxt, volume.id)
    assert (read.status, read.previous_status) == ('available', 'in-use')


def test_gone(make_volume, ctxt):
    volume = make_volume()
    volumes.destroy(ctxt, volume.id)
    with pytest.raises(exception.VolumeNotFound):
        volumes.transition(ctxt, volume, 'force_delete')


@pytest.mark.parametrize(('values', 'condition', 'text'), [
    ({'attach_status': 'attached'}, requirements.not_attached, 'is attached'),
    ({'migration_status': 'migrating'}, requirements.not_migrating, 'is being migrated'),
    ({'group_id': 'g1'}, requirements.no_group, 'is in group g1'),
    ({}, requirements.is_attached, 'is not attached'),
])
def test_requirements(make_volume, ctxt, values, condition, text):
    volume = make_volume(**values)
    with pytest.raises(exception.InvalidVolume, match=text):
        volumes.transition(ctxt, volume, 'force_delete', conditions=(condition,))


def test_attachments_are_named(make_volume, ctxt):
    volume = make_volume(attach_status='attached')
    attachment = attachments.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached'})
    with pytest.raises(exception.InvalidVolume, match=attachment.id):
        volumes.transition(ctxt, volume, 'delete', conditions=(requirements.not_attached,))


def test_snapshot(make_volume, ctxt):
    volume = make_volume()
    snapshot = snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                       'status': 'available', 'group_snapshot_id': 'g1'})
    with pytest.raises(exception.InvalidSnapshot, match='g1'):
        snapshots.transition(ctxt, snapshot, 'delete',
                             conditions=(snapshots.no_group_snapshot,))
    snapshots.transition(ctxt, snapshot, 'delete')
    assert snapshot.status == 'deleting'
    with pytest.raises(exception.Conflict):
        snapshots.transition(ctxt, snapshot, 'revert')
    snapshots.destroy(ctxt, snapshot.id)
    with pytest.raises(exception.SnapshotNotFound):
        snapshots.transition(ctxt, snapshot, 'delete')
