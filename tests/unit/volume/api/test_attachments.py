# SPDX-License-Identifier: Apache-2.0
"""Attachments reserve, connect and let go; the volume's statuses follow from them."""
import pytest

from cinder import exception
from cinder.db import attachments as attachments_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import attachments, volume_actions

SERVER = '11111111-1111-1111-1111-111111111111'
OTHER = '22222222-2222-2222-2222-222222222222'


@pytest.fixture
def make(ctxt, database, sent):
    def volume(**values):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': 'available', 'host': 'h@b#p', **values})
        return volumes_db.get(ctxt, made.id)
    return volume


def _statuses(ctxt, volume):
    now = volumes_db.get(ctxt, volume.id)
    return now.status, now.attach_status


def test_a_reservation_holds_the_volume(ctxt, make):
    volume = make()
    attachment = attachments.create(ctxt, volume, SERVER)
    assert (attachment.attach_status, attachment.attach_mode) == ('reserved', 'null')
    assert _statuses(ctxt, volume) == ('reserved', 'reserved')
    with pytest.raises(exception.InvalidVolume, match='reserved'):
        attachments.create(ctxt, volume, OTHER)


def test_the_same_server_may_ask_again(ctxt, make):
    volume = make()
    attachments.create(ctxt, volume, SERVER)
    attachments.create(ctxt, volume, SERVER)
    assert len(attachments_db.for_volume(ctxt, volume.id)) == 2


def test_several_servers_share_a_multiattach_volume(ctxt, make):
    volume = make(multiattach=True)
    attachments.complete(ctxt, attachments.create(ctxt, volume, SERVER))
    attachments.create(ctxt, volumes_db.get(ctxt, volume.id), OTHER)
    assert _statuses(ctxt, volume) == ('in-use', 'attached')


def test_connecting_asks_the_back_end_and_shows_the_status_before(ctxt, make, sent):
    attachment = attachments.create(ctxt, make(), SERVER, connector={'host': 'compute1'})
    assert attachment.attach_status == 'reserved'
    method, arguments = sent[-1]
    assert (method, arguments['attachment_id']) == ('attachment_update', attachment.id)


@pytest.mark.parametrize('connector', [{}, {'ip': '192.0.2.1'}])
def test_a_connector_without_a_host_is_refused(ctxt, make, sent, connector):
    attachment = attachments.create(ctxt, make(), SERVER)
    with pytest.raises(exception.InvalidInput, match='host'):
        attachments.update(ctxt, attachment, connector)
    assert sent == []


def test_a_volume_in_error_is_a_conflict(ctxt, make):
    volume = make()
    attachment = attachments.create(ctxt, volume, SERVER)
    volumes_db.overwrite(ctxt, volume.id, {'status': 'error'})
    with pytest.raises(exception.ConflictingVolumeState):
        attachments.update(ctxt, attachment, {'host': 'h'})


def test_deleting_the_last_one_frees_the_volume(ctxt, make, sent):
    ctxt.service_roles = ['service']
    volume = make()
    attachment = attachments.create(ctxt, volume, SERVER)
    attachments_db.update(ctxt, attachment.id, {'connector': {'host': 'h'}})
    assert attachments.delete(ctxt, attachments_db.get(ctxt, attachment.id)) == []
    assert sent[-1][0] == 'attachment_delete'
    assert _statuses(ctxt, volume) == ('available', 'detached')


def test_deleting_one_of_two_leaves_the_volume_in_use(ctxt, make):
    ctxt.service_roles = ['service']
    volume = make(multiattach=True)
    first = attachments.create(ctxt, volume, SERVER)
    attachments.complete(ctxt, first)
    second = attachments.create(ctxt, volumes_db.get(ctxt, volume.id), OTHER)
    left = attachments.delete(ctxt, second)
    assert [one.id for one in left] == [first.id]
    assert _statuses(ctxt, volume) == ('in-use', 'attached')


def test_a_read_only_volume_is_not_attached_for_writing(ctxt, make):
    volume = make()
    volumes_db.set_admin_metadata(ctxt, volume.id, {'readonly': 'True'})
    with pytest.raises(exception.InvalidVolume, match='read-only'):
        attachments.create(ctxt, volumes_db.get(ctxt, volume.id), SERVER, mode='rw')


def test_a_refused_connector_leaves_no_reservation(ctxt, make):
    volume = make()
    with pytest.raises(exception.InvalidInput, match='host'):
        attachments.create(ctxt, volume, SERVER, connector={'ip': '192.0.2.1'})
    assert _statuses(ctxt, volume) == ('available', 'detached')


@pytest.mark.parametrize('left', [None, 'an export'])
def test_of_a_failed_connection_the_back_end_is_told_only_where_it_left_an_export(
        ctxt, make, sent, left):
    volume = make(provider_location=left)
    attachment = attachments.create(ctxt, volume, SERVER)
    attachments_db.update(ctxt, attachment.id, {'attach_status': 'error_attaching'})
    volumes_db.settle(ctxt, volume.id)
    assert _statuses(ctxt, volume) == ('reserved', 'reserved')
    attachments.delete(ctxt, attachments_db.get(ctxt, attachment.id))
    assert [method for method, _arguments in sent] == (['attachment_delete'] if left else [])
    assert _statuses(ctxt, volume) == ('available', 'detached')


@pytest.mark.parametrize(('status', 'after'), [
    ('available', 'available'), ('attaching', 'available'), ('detaching', 'available'),
    ('error', 'error'), ('error_deleting', 'error_deleting'), ('deleting', 'deleting'),
    ('error_managing', 'error_managing')])
def test_detaching_what_nobody_has_ends_what_was_announced_and_mends_nothing(
        ctxt, make, status, after):
    volume = make(status=status)
    volume_actions.detach(ctxt, volume)
    assert _statuses(ctxt, volume)[0] == after


@pytest.mark.parametrize('connector', [None, {'host': 'h'}])
def test_an_end_is_notified_of_with_its_row(ctxt, make, sent, told, monkeypatch, connector):
    """By the API, which deletes the row; with a connector the back end has sent the start."""
    monkeypatch.setattr(attachments, 'require_unused', lambda *_args: None)
    volume = make()
    volume_actions.attach(ctxt, volume, SERVER, None, '/dev/vdb', None)
    assert told.types == ['volume.attach.start', 'volume.attach.end']
    held, = attachments_db.for_volume(ctxt, volume.id)
    attachments_db.update(ctxt, held.id, {'connector': connector})
    del told.events[:]
    volume_actions.force_detach(ctxt, volumes_db.get(ctxt, volume.id))
    assert told.types == [*(['volume.detach.start'] if connector is None else []),
                          'volume.detach.end']
    assert told.events[-1][1]['status'] == 'available'
    assert told.events[-1][1]['volume_attachment'] == []
    told.require_changes()


def test_the_end_of_a_reservation_is_not_notified_of(ctxt, make, told):
    volume = make()
    attachments.delete(ctxt, attachments.create(ctxt, volume, SERVER))
    assert told.types == []
