# SPDX-License-Identifier: Apache-2.0
"""What an image says of itself: which can become volumes, and what goes from one to the other."""
import json

import pytest

from cinder import exception
from cinder.image import image_properties

IMAGE = {'id': 'i', 'name': 'picture', 'status': 'active', 'disk_format': 'qcow2', 'min_disk': 1,
         'min_ram': 0, 'container_format': 'bare', 'size': 7,
         'virtual_size': 2 * image_properties.GIB,
         'checksum': None, 'owner': 'p', 'tags': [], 'stores': 'files', 'os_hash_algo': 'sha512',
         'os_type': 'plan9', 'os_glance_import': 'x', 'long': 'x' * 300}


def test_one_that_fits():
    image_properties.require_usable(IMAGE, 2)


@pytest.mark.parametrize(('change', 'words'), [
    ({'virtual_size': 2 * image_properties.GIB + 1}, '3 GiB'), ({'min_disk': 5}, '5 GiB'),
    ({'size': 4 * image_properties.GIB}, '4 GiB'), ({'status': 'saving'}, "'saving'"),
    ({'disk_format': 'aki'}, "'aki'"), ({'disk_format': None}, 'None'),
    ({'container_format': 'docker'}, "'docker'"),
    ({'cinder_encryption_key_id': 'k'}, 'encrypted')])
def test_ones_that_do_not(change, words):
    with pytest.raises(exception.ImageUnacceptable, match=words):
        image_properties.require_usable({**IMAGE, **change}, 2)


def test_conversion_can_be_forbidden(option):
    option('image_conversion_disable', True)
    with pytest.raises(exception.ImageUnacceptable, match='qcow2'):
        image_properties.require_usable(IMAGE, 2)
    image_properties.require_usable({**IMAGE, 'disk_format': 'raw'}, 2)


def test_what_is_kept_and_what_is_given_back():
    kept = image_properties.of_volume(IMAGE)
    assert kept == {'image_id': 'i', 'image_name': 'picture', 'disk_format': 'qcow2',
                    'container_format': 'bare', 'min_disk': '1', 'min_ram': '0', 'size': '7',
                    'os_type': 'plan9', 'long': 'x' * 255}
    assert image_properties.of_image({**kept, 'min_ram': 'x', 'cinder_encryption_key_id': 'k'}) == {
        'os_type': 'plan9', 'long': 'x' * 255, 'min_disk': 1}


def test_reserved_properties_are_not_given_back(option):
    option('reserved_image_namespaces', ['os_'])
    assert image_properties.of_image({'os_type': 'plan9', 'hw_model': 'x'}) == {'hw_model': 'x'}


@pytest.mark.parametrize(('mapping', 'found'), [
    ([{'boot_index': 1, 'snapshot_id': 'a'}, {'boot_index': 0, 'snapshot_id': 'b'}], 'b'),
    ([{'boot_index': 0, 'snapshot_id': None}], None), (None, None), ({'a': 1}, None), ('x', None)])
def test_an_image_that_is_a_snapshot(mapping, found):
    image = {'size': 0, 'block_device_mapping': json.dumps(mapping)}
    assert image_properties.snapshot_of(image) == found
    assert image_properties.snapshot_of({**image, 'size': 1}) is None
    assert image_properties.snapshot_of({**image, 'block_device_mapping': '{'}) is None
