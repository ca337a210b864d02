# SPDX-License-Identifier: Apache-2.0
"""Snapshots: rows, objects, metadata."""
import pytest

from cinder import exception
from cinder.db import snapshots


@pytest.fixture
def make(make_volume, ctxt):
    volume = make_volume(availability_zone='z1', host='n@lvm#p', glance_metadata={'os': 'x'})

    def make_snapshot(metadata=None, **values):
        return snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                       'volume_size': 1, 'status': 'available', **values}, metadata)
    make_snapshot.volume = volume
    return make_snapshot


def test_object_has_its_volume_whole(make, ctxt):
    made = make(metadata={'a': 'b'})
    read = snapshots.get(ctxt, made.id)
    assert read.metadata == made.metadata == {'a': 'b'}
    assert read.created_at == made.created_at
    assert read.volume.host == 'n@lvm#p'
    assert read.volume.glance_metadata == {'os': 'x'}


def test_rows(make, make_volume, ctxt, tenant, stranger, statements):
    first, second = make(metadata={'n': '1'}), make(display_name='s')
    statements.clear()
    rows = snapshots.list_rows(tenant, limit=2).rows
    assert len(statements) == 2
    assert [row['metadata'] for row in rows] == [{}, {'n': '1'}]
    assert snapshots.get_row(tenant, first.id) == rows[1]
    assert snapshots.list_rows(stranger).rows == []
    for wanted, expected in (({'availability_zone': 'z1'}, 2), ({'availability_zone': 'z2'}, 0),
                             ({'metadata': {'n': '1'}}, 1), ({'name': 's'}, 1),
                             ({'volume_id': make.volume.id}, 2), ({'volume_id': 'x'}, 0)):
        assert len(snapshots.list_rows(ctxt, filters=wanted)) == expected, wanted
    assert second.id in {snapshot.id for snapshot in snapshots.for_volume(ctxt, make.volume.id)}


@pytest.mark.parametrize('read', [snapshots.get, snapshots.get_row])
def test_not_found(make, ctxt, stranger, read):
    snapshot = make()
    with pytest.raises(exception.SnapshotNotFound):
        read(stranger, snapshot.id)
    snapshots.destroy(ctxt, snapshot.id)
    with pytest.raises(exception.SnapshotNotFound):
        read(ctxt, snapshot.id)


def test_of_a_volume_and_of_a_back_end(make, ctxt):
    first, second = make(), make()
    gone = make()
    snapshots.destroy(ctxt, gone.id)
    assert [s.id for s in snapshots.for_volume(ctxt, make.volume.id)] == [first.id, second.id]
    assert len(snapshots.on_backend(ctxt, 'n@lvm')) == 2
    assert snapshots.on_backend(ctxt, 'm@lvm') == []
    assert snapshots.count_for_volume(ctxt, make.volume.id) == 2


def test_changes(make, ctxt):
    snapshot = make(metadata={'a': '1'}, status='creating')
    assert snapshots.finish_transition(ctxt, snapshot.id, 'creating', 'available',
                                       {'progress': '100%'})
    assert not snapshots.finish_transition(ctxt, snapshot.id, 'creating', 'available', {})
    assert snapshots.set_metadata(ctxt, snapshot.id, {'b': '2'}) == {'a': '1', 'b': '2'}
    snapshots.delete_metadata(ctxt, snapshot.id, 'a')
    with pytest.raises(exception.SnapshotMetadataNotFound):
        snapshots.delete_metadata(ctxt, snapshot.id, 'a')
    snapshots.update(ctxt, snapshot.id, {'display_name': 'new'})
    row = snapshots.get_row(ctxt, snapshot.id)
    assert (row['display_name'], row['progress'], row['metadata']) == ('new', '100%', {'b': '2'})
    with pytest.raises(exception.SnapshotNotFound):
        snapshots.update(ctxt, 'nothing', {'progress': '1%'})
