# SPDX-License-Identifier: Apache-2.0
"""Attachments: JSON columns, projects, compare-and-swap."""
import pytest

from cinder import exception
from cinder.db import attachments

CONNECTOR = {'host': 'n1', 'multipath': False, 'list': [1]}


@pytest.fixture
def made(make_volume, ctxt):
    volume = make_volume()
    return attachments.create(ctxt, {'volume_id': volume.id, 'attach_status': 'reserved',
                                     'instance_uuid': 's1', 'connector': CONNECTOR})


def test_json_and_project(made, ctxt):
    assert (made.connector, made.connection_info) == (CONNECTOR, None)
    assert made.project_id == 'p1'
    attachments.update(ctxt, made.id, {'connection_info': {'a': [None]}})
    read = attachments.get(ctxt, made.id)
    assert (read.connector, read.connection_info) == (CONNECTOR, {'a': [None]})
    assert attachments.list_rows(ctxt, detail=True).rows[0]['connector'] == CONNECTOR


def test_another_project_sees_nothing(made, stranger):
    with pytest.raises(exception.VolumeAttachmentNotFound):
        attachments.get(stranger, made.id)
    assert attachments.list_rows(stranger, detail=True, with_count=True).count == 0


def test_filters(made, ctxt):
    for wanted, expected in (({'status': 'reserved'}, 1), ({'instance_id': 's2'}, 0),
                             ({'volume_id': made.volume_id}, 1)):
        assert len(attachments.list_rows(ctxt, filters=wanted)) == expected


def test_expected_values(made, ctxt):
    with pytest.raises(exception.InvalidAttachment, match='reserved'):
        attachments.update(ctxt, made.id, {'attach_status': 'attached'},
                           expected={'attach_status': 'attaching'})
    attachments.update(ctxt, made.id, {'attach_status': 'attaching'},
                       expected={'attach_status': ('reserved', 'attached')})
    assert attachments.get(ctxt, made.id).attach_status == 'attaching'


def test_destroyed_once(made, ctxt):
    assert attachments.destroy(ctxt, made.id)
    assert not attachments.destroy(ctxt, made.id)
    assert attachments.for_volume(ctxt, made.volume_id) == []
    with pytest.raises(exception.VolumeAttachmentNotFound):
        attachments.update(ctxt, made.id, {'attach_status': 'attached'})
