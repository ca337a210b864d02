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
                    'os_type': 'plan9', 'long': 'x' * 300}
    assert image_properties.of_image({**kept, 'min_ram': 'x', 'cinder_encryption_key_id': 'k'}) == {
        'os_type': 'plan9', 'long': 'x' * 300, 'min_disk': 1}


# Property of an image, whether it is stored with a volume, and set on an image of that volume; as
# the original does, except the last ones: those would be properties of other data.
CARRIED = [
    ('os_distro', True, True), ('hw_scsi_model', True, True), ('owner_specified.sha', True, True),
    ('cinder_img_volume_type', True, True), ('block_device_mapping', True, True),
    ('img_config_drive', True, True), ('checksum', True, False), ('image_name', True, False),
    ('size', True, False), ('disk_format', True, False), ('owner', False, False),
    ('os_hash_value', False, False), ('direct_url', False, False), ('virtual_size', False, False),
    ('visibility', False, False), ('protected', False, False), ('tags', False, False),
    ('img_signature', True, False), ('img_signature_hash_method', True, False),
    ('img_signature_key_type', True, False), ('img_signature_certificate_uuid', True, False),
    ('os_glance_import_task', False, False), ('os_glance_stage_host', False, False),
    ('signature_verified', False, False)]


@pytest.mark.parametrize(('name', 'stored', 'given_back'), CARRIED)
def test_what_each_property_becomes(name, stored, given_back):
    kept = image_properties.of_volume({**IMAGE, name: 'x'})
    assert (name in kept) is stored
    assert (name in image_properties.of_image({**kept, name: 'x'})) is given_back


def test_properties_that_no_row_holds():
    kept = image_properties.of_volume({**IMAGE, 'n' * 256: 'x', 'much': 'é' * 70000, 'none': None})
    assert 'n' * 256 not in kept and 'none' not in kept
    assert len(kept['much'].encode()) <= 65535


def test_core_properties_are_not_given_back(option):
    """They are stored even so."""
    option('glance_core_properties', ['os_type', 'min_disk'])
    kept = image_properties.of_volume(IMAGE)
    assert (kept['os_type'], kept['size'], kept['min_disk']) == ('plan9', '7', '1')
    assert 'os_type' not in image_properties.of_image(kept)
    assert not {'size', 'checksum'} & image_properties.of_image(kept).keys()


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
