# SPDX-License-Identifier: Apache-2.0
"""The folder of conversions: who has what, what a sweep removes, and what those who wait learn."""
import os

import pytest

from cinder import exception
from cinder.image import image_convert, image_shares

IMAGE = {'id': 'an-image', 'os_hash_value': 'abc', 'size': 9, 'disk_format': 'raw',
         'container_format': 'bare'}


@pytest.fixture(autouse=True)
def folder(tmp_path, option):
    option('image_conversion_dir', str(tmp_path / 'folder'))
    yield tmp_path / 'folder'
    image_shares.drop_unused(lambda _image_id: False)
    assert not image_shares._kept


def publish(image=IMAGE, data=b'data'):
    with (image_shares.claimed(image) as claim,
          image_convert.temporary_file(image['id'], 'h@b') as path):
        with open(path, 'wb') as file:
            file.write(data)
        claim.publish(path)


def content(image=IMAGE):
    with image_shares.finished(image) as descriptor:
        return None if descriptor is None else os.pread(descriptor, 99, 0)


def test_one_operation_has_the_transfer():
    with image_shares.claimed(IMAGE) as claim:
        claim.note(3, 9)
        assert image_shares.under_way(IMAGE) == {'done': 3, 'total': 9}
        with image_shares.claimed(IMAGE) as second:
            assert second is None
        with image_shares.claimed({**IMAGE, 'id': 'another'}) as second:
            assert second is not None
    assert image_shares.under_way(IMAGE) == {}
    with image_shares.claimed(IMAGE) as claim:
        assert claim is not None


def test_what_one_has_verified_all_read(folder):
    assert content() is None
    publish()
    assert content() == b'data'
    image_shares.drop_unused(lambda image_id: image_id == IMAGE['id'])
    assert content() == b'data'
    image_shares.drop_unused(lambda _image_id: False)
    assert content() is None and list(folder.iterdir()) == []


@pytest.mark.parametrize('change', [
    {'os_hash_value': 'def'}, {'size': 8}, {'disk_format': 'iso'},
    {'container_format': 'compressed'}])
def test_data_of_another_state_of_an_image_is_not_used(change):
    publish()
    assert content({**IMAGE, **change}) is None
    assert content({**IMAGE, 'updated_at': 'later', 'name': 'other'}) == b'data'


def test_the_reason_of_a_failure_reaches_those_who_waited_for_it():
    with image_shares.claimed(IMAGE) as claim:
        claim.fail(exception.ImageUnacceptable(image_id='an-image', reason='of holes'), ['mine'])
    found = image_shares.failure(IMAGE, 'mine')
    assert type(found) is exception.ImageUnacceptable
    assert (str(found), found.kwargs['reason']) == (
        'Image an-image cannot be used: of holes', 'of holes')
    # Who comes later has not waited for it.
    assert image_shares.failure(IMAGE, 'another') is None


def test_a_sweep_removes_what_nobody_holds(folder):
    with (image_shares.claimed(IMAGE) as claim,
          image_convert.temporary_file('x', 'h@b') as path):
        claim.fail(exception.NoRoomForConversion(), ['mine'])
        claim.note(1, 2)
        publish({**IMAGE, 'id': 'kept'})
        for name in ('shared-x-y.claim', 'shared-x-y.image', 'x-1.part#h@b', 'other'):
            (folder / name).touch()
        removed = {os.path.basename(path) for path in image_shares.sweep()}
        assert removed == {'shared-x-y.claim', 'shared-x-y.image', 'x-1.part#h@b'}
        assert os.path.exists(path) and image_shares.under_way(IMAGE)['done'] == 1
        assert image_shares.failure(IMAGE, 'mine')
        assert content({**IMAGE, 'id': 'kept'}) == b'data'


def test_a_reader_does_not_lose_what_is_removed():
    publish()
    with image_shares.finished(IMAGE) as descriptor:
        image_shares.drop_unused(lambda _image_id: False)
        assert os.pread(descriptor, 9, 0) == b'data'
