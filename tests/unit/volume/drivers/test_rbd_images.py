# SPDX-License-Identifier: Apache-2.0
"""Which images are cloned, and which are copied; the clones themselves are for a real cluster."""
import pytest

from cinder.volume.drivers import rbd_images
from cinder.volume.drivers.rbd_images import Location, location_in
from tests.fakes import volumes

FSID = '4f2c'
REPLICATED = volumes.VolumeType(extra_specs={'replication_enabled': '<is> True'})
HERE = f'rbd://{FSID}/images/one/snap'


@pytest.mark.parametrize(('url', 'found'), [
    (HERE, Location(FSID, 'images', 'one', 'snap')),
    (f'rbd://{FSID}/a%2Fb/c%20d/e', Location(FSID, 'a/b', 'c d', 'e')),
    ('rbd://image', None), (f'rbd://{FSID}/images/one', None), (f'rbd://{FSID}//one/snap', None),
    (f'{HERE}/more', None), (f'file://{FSID}/images/one/snap', None), ('', None)])
def test_a_url(url, found):
    assert location_in(url) == found


class Driver:
    """:param answers: pool of an image -> the reason why it cannot be cloned, '' if it is"""

    clone_image = rbd_images.ClonesImages.clone_image

    def __init__(self, **answers):
        self.fsid, self.order, self.answers, self.asked = FSID, 22, answers, []
        self.layout = {'features': 5}

    def adapt(self, volume):
        self.adapted = volume

    def run(self, _function, place, *arguments, **layout):
        self.asked.append((place.pool, *arguments, layout))
        return self.answers[place.pool]


def there(pool):
    return f'rbd://{FSID}/{pool}/one/snap'


@pytest.mark.parametrize(('urls', 'image', 'fields', 'cloned', 'said'), [
    ([there('good')], {}, {}, ['good'], ''),
    ([there('bad'), there('good'), there('other')], {}, {}, ['bad', 'good'], ''),
    ([there('bad')], {}, {}, ['bad'], 'no right'),
    (['rbd://other/good/one/snap'], {}, {}, [], 'it is on the cluster other'),
    ([], {}, {}, [], 'names no place of it in RBD'),
    (['file:///x'], {}, {}, [], 'names no place of it in RBD'),
    ([there('good')], {'disk_format': 'qcow2'}, {}, [], 'its disk_format is qcow2'),
    ([there('good')], {}, {'encrypted': True}, [], 'the volume is encrypted'),
    ([there('good')], {}, {'volume_type': REPLICATED}, [], 'the volume is replicated')])
def test_an_image(urls, image, fields, cloned, said, caplog):
    driver = Driver(good='', bad='no right', other='')
    volume = volumes.volume(2, **fields)
    with caplog.at_level('INFO'):
        done = driver.clone_image(volume, {'id': 'one', 'disk_format': 'raw', **image}, urls)
    assert done is not bool(said)
    assert said in caplog.text
    assert driver.asked == [(pool, volume.name, 2 * 1024 ** 3, 22, {'features': 5})
                            for pool in cloned]
