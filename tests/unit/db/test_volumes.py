# SPDX-License-Identifier: Apache-2.0
"""Volumes: what is read, in how many statements, and how they change."""
import datetime

import pytest

from cinder import exception
from cinder.db import (
    attachments,
    backend_volumes,
    operations,
    snapshots,
    transfers,
    types,
    volumes,
)
from cinder.db import volume_requirements as requirements


def test_created_as_read_back(make_volume, ctxt):
    made = make_volume(display_name='v', metadata={'a': 'b'}, admin_metadata={'readonly': 'True'},
                       glance_metadata={'image_id': 'i'})
    read = volumes.get(ctxt, made.id)
    for name in ('id', 'display_name', 'size', 'created_at', 'metadata', 'admin_metadata',
                 'glance_metadata', 'attach_status', 'use_quota', 'growth', 'shared_targets'):
        assert getattr(made, name) == getattr(read, name)
    assert made.created_at.tzinfo is None
    assert abs(made.created_at - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
               ) < datetime.timedelta(minutes=1)


def test_insert_is_one_statement_and_one_for_metadata_and_for_the_event(make_volume, statements):
    make_volume()
    assert len(statements) == 2
    make_volume(metadata={'a': 'b', 'c': 'd'})
    assert len(statements) == 5


def test_a_volume_is_read_with_one_statement_and_one_for_attachments(make_volume, ctxt,
                                                                    statements):
    volume = make_volume(metadata={'a': 'b', 'c': None}, glance_metadata={'image_id': 'i'})
    statements.clear()
    read = volumes.get(ctxt, volume.id)
    assert len(statements) == 2
    assert (read.metadata, read.admin_metadata, read.glance_metadata) == (
        {'a': 'b', 'c': None}, {}, {'image_id': 'i'})
    assert read.volume_type is None


def test_row_has_all_that_an_answer_shows(make_volume, ctxt):
    kind = types.default(ctxt)
    volume = make_volume(volume_type_id=kind.id, metadata={'a': 'b'}, attach_status='attached')
    other = attachments.create(ctxt, {'volume_id': volume.id, 'attach_status': 'reserved'})
    attached = attachments.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached',
                                         'mountpoint': '/dev/vdb', 'instance_uuid': 's'})
    row = volumes.get_row(ctxt, volume.id)
    assert row['type_name'] == '__DEFAULT__'
    assert row['encrypted'] is False
    assert row['metadata'] == {'a': 'b'}
    assert (row['admin_metadata'], row['glance_metadata']) == ({}, {})
    shown, = row['attachments']
    assert (shown['id'], shown['mountpoint']) == (attached.id, '/dev/vdb')
    page, = volumes.list_rows(ctxt, detail=True).rows
    assert page == row
    assert other.id in {item.id for item in volumes.get(ctxt, volume.id).attachments}


def test_reads_take_three_statements(make_volume, ctxt, statements):
    ids = [make_volume(metadata={'n': str(number)}).id for number in range(3)]
    for read in (lambda: volumes.get_row(ctxt, ids[0]), lambda: volumes.get(ctxt, ids[0]),
                 lambda: volumes.list_rows(ctxt, detail=True, limit=2, marker=ids[2])):
        statements.clear()
        read()
        assert len(statements) <= 3
    statements.clear()
    assert [row['metadata'] for row in volumes.list_rows(ctxt, detail=True).rows] == [
        {'n': '2'}, {'n': '1'}, {'n': '0'}]


def test_object_has_its_type_whole(make_volume, ctxt):
    kind = types.create(ctxt, {'name': 'fast'}, {'multiattach': '<is> True'})
    volume = volumes.get(ctxt, make_volume(volume_type_id=kind.id).id)
    assert volume.volume_type.name == 'fast'
    assert volume.volume_type.is_('multiattach')
    assert volume.volume_type.encryption is None
    assert volume.volume_type.qos_specs is None
    assert volumes.get(ctxt, make_volume().id).volume_type is None


@pytest.mark.parametrize('read', [volumes.get, volumes.get_row])
def test_what_is_gone_or_of_others_is_not_found(make_volume, ctxt, tenant, stranger, read):
    volume = make_volume()
    assert read(tenant, volume.id)
    with pytest.raises(exception.VolumeNotFound):
        read(stranger, volume.id)
    volumes.destroy(ctxt, volume.id)
    with pytest.raises(exception.VolumeNotFound):
        read(ctxt, volume.id)
    with pytest.raises(exception.NotFound):
        read(ctxt, 'no\0thing')


def test_target_of_a_migration_is_hidden_from_tenants(make_volume, ctxt, tenant):
    make_volume(migration_status='target:x')
    make_volume(migration_status='success')
    assert len(volumes.list_rows(tenant)) == 1
    assert len(volumes.list_rows(ctxt)) == 2


def test_update(make_volume, ctxt):
    volume = make_volume()
    volumes.update(ctxt, volume.id, {'size': 7})
    row = volumes.get_row(ctxt, volume.id)
    assert row['size'] == 7
    assert row['updated_at'] >= row['created_at']
    with pytest.raises(exception.VolumeNotFound):
        volumes.update(ctxt, 'nothing', {'size': 7})


def test_metadata(make_volume, ctxt):
    volume = make_volume(metadata={'a': '1', 'b': '2'})
    assert volumes.set_metadata(ctxt, volume.id, {'b': '3', 'c': '4'}) == {
        'a': '1', 'b': '3', 'c': '4'}
    assert volumes.set_metadata(ctxt, volume.id, {'B': '5'}, replace=True) == {'B': '5'}
    volumes.set_admin_metadata(ctxt, volume.id, {'readonly': 'True'})
    volumes.set_glance_metadata(ctxt, volume.id, {'os': 'x'})
    volumes.set_glance_metadata(ctxt, volume.id, {'os': 'y'})
    volumes.delete_admin_metadata(ctxt, volume.id, 'nothing')
    read = volumes.get(ctxt, volume.id)
    assert (read.metadata, read.admin_metadata, read.glance_metadata) == (
        {'B': '5'}, {'readonly': 'True'}, {'os': 'y'})
    volumes.delete_metadata(ctxt, volume.id, 'B')
    with pytest.raises(exception.VolumeMetadataNotFound):
        volumes.delete_metadata(ctxt, volume.id, 'B')
    volumes.delete_glance_metadata(ctxt, volume.id, 'os')
    with pytest.raises(exception.GlanceMetadataNotFound):
        volumes.delete_glance_metadata(ctxt, volume.id, 'os')
    assert volumes.set_metadata(ctxt, volume.id, {}, replace=True) == {}


def test_summary(make_volume, ctxt, tenant):
    make_volume(size=2, metadata={'k': 'b'})
    make_volume(size=3, metadata={'k': 'a'})
    make_volume(size=5, project_id='p2')
    assert volumes.summary(tenant, all_tenants=True) == {
        'total_count': 2, 'total_size': 5, 'metadata': {'k': ['a', 'b']}}
    assert volumes.summary(ctxt, all_tenants=True)['total_size'] == 10


def test_of_a_back_end(make_volume, ctxt):
    here = make_volume(host='n@lvm#p', size=2, status='in-use')
    make_volume(host='n@lvm', size=3, growth=1)
    make_volume(host='n@lvm2#p')
    clustered = make_volume(host='m@lvm#p', cluster_name='c@lvm#p')
    assert len(backend_volumes.on_backend(ctxt, 'n@lvm')) == 2
    assert [v.id for v in backend_volumes.on_backend(
        ctxt, 'n@lvm', statuses=('in-use',))] == [here.id]
    assert [v.id for v in backend_volumes.on_backend(ctxt, cluster='c@lvm')] == [clustered.id]
    assert backend_volumes.on_backend(ctxt) == []
    assert backend_volumes.capacity_by_pool(ctxt, 'n@lvm') == {'p': 2, '': 4}


def test_a_host_joins_a_cluster(make_volume, ctxt):
    volume = make_volume(host='n@lvm#p')
    assert backend_volumes.include_in_cluster(ctxt, 'n@lvm', 'c@lvm') == 1
    assert volumes.get(ctxt, volume.id).cluster_name == 'c@lvm#p'


def test_leave_is_a_compare_and_swap(make_volume, ctxt):
    volume = make_volume(status='extending')
    assert volumes.finish_transition(ctxt, volume.id, 'extending', 'available', {'size': 9})
    assert not volumes.finish_transition(ctxt, volume.id, 'extending', 'error', {})
    assert volumes.finish_transition(ctxt, volume.id, None, 'error', {})
    assert volumes.get(ctxt, volume.id).size == 9


def test_snapshots_go_to_the_refusal(make_volume, ctxt):
    volume = make_volume()
    snapshot = snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id})
    with pytest.raises(exception.InvalidVolume, match=snapshot.id):
        volumes.transition(ctxt, volume, 'delete', conditions=(requirements.no_snapshots,))
    snapshots.destroy(ctxt, snapshot.id)
    volumes.transition(ctxt, volume, 'delete', conditions=(requirements.no_snapshots,))


def test_what_hangs_on_a_volume_ends_with_it(make_volume, ctxt):
    gone, other = make_volume(), make_volume()
    made = {}
    for volume in (gone, other):
        snapshot = snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                           'status': 'creating'})
        made[volume] = (
            snapshot, operations.create(ctxt, 'snapshot.create', snapshot),
            attachments.create(ctxt, {'volume_id': volume.id, 'attach_status': 'reserved'}),
            transfers.create(ctxt, {'volume_id': volume.id, 'source_project_id': 'p1',
                                    'salt': 's', 'crypt_hash': 'h'}))
    volumes.destroy(ctxt, gone.id)
    for volume, (snapshot, operation, attachment, transfer) in made.items():
        there = volume is other
        assert bool(snapshots.for_volume(ctxt, volume.id)) == there, snapshot.id
        assert operations.get(ctxt, operation.id).state == ('queued' if there else 'failed')
        assert bool(attachments.for_volume(ctxt, volume.id)) == there, attachment.id
        found = {row['id'] for row in transfers.list_rows(ctxt).rows}
        assert (transfer['id'] in found) == there


def test_a_volume_on_which_nothing_hangs_ends_in_one_statement(make_volume, ctxt, statements):
    made = make_volume()
    statements.clear()
    volumes.destroy(ctxt, made.id)
    # And one that records the event.
    assert [text.split()[0] for text in statements] == ['UPDATE', 'INSERT']
