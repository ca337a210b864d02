# SPDX-License-Identifier: Apache-2.0
"""Secrets are in the objects that carry them, and not in what a log would show of them."""
import pytest

from cinder import objects
from cinder.objects import base

objects.register_all()
SECRET = 'CHAP name s3cretS3cret'
INFO = {'driver_volume_type': 'iscsi', 'data': {'auth_password': SECRET}}


@pytest.mark.parametrize(('name', 'values'), [
    ('Volume', {'provider_auth': SECRET}), ('Snapshot', {'provider_auth': SECRET}),
    ('VolumeAttachment', {'connection_info': INFO, 'connector': {'auth': SECRET}})])
def test_repr(name, values):
    made = getattr(objects, name)(id='x', **values)
    for text in (repr(made), str(made), f'{[made]}'):
        assert SECRET not in text and '***' in text
    sent = base.CinderObjectSerializer().serialize_entity(None, made)
    again = base.CinderObjectSerializer().deserialize_entity(None, sent)
    assert {field: again[field] for field in values} == values


def test_an_attachment_inside_a_volume():
    attachment = objects.VolumeAttachment(id='a', connection_info=INFO)
    assert SECRET not in repr(objects.Volume(id='v', attachments=[attachment]))


def test_nothing_looks_like_nothing():
    assert 'provider_auth=None' in repr(objects.Volume(id='x', provider_auth=None))
