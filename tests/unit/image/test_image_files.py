# SPDX-License-Identifier: Apache-2.0
"""Where the data of an image is read from a file of the host, and where not."""
import os

import pytest

from cinder.image import image_files

DATA = b'the bytes of a disk'
SENT = b'sent by the service'


class Service:
    """:ivar places: what it tells when it is asked for them"""

    places = ()

    def download(self, _image_id):
        yield SENT

    def locations(self, _image_id):
        return list(self.places)


@pytest.fixture
def folder(tmp_path, option):
    """Files and what is none, at which an image might be."""
    option('allowed_direct_url_schemes', ['cinder', 'file'])
    (tmp_path / 'good image').write_bytes(DATA)
    (tmp_path / 'short').write_bytes(DATA[:-1])
    (tmp_path / 'link').symlink_to('good image')
    (tmp_path / 'folder').mkdir()
    os.mkfifo(tmp_path / 'pipe')
    return tmp_path


def read(url, service=None, **values):
    image = {'id': 'i', 'size': len(DATA), 'os_hash_algo': 'sha512', 'os_hash_value': 'f' * 128,
             'direct_url': url, **values}
    return b''.join(image_files.chunks(service or Service(), image))


def test_a_file(folder, option):
    assert read(f'file://{folder}/good%20image') == DATA
    assert read(f'file://localhost{folder}/good%20image') == DATA
    service = Service()
    service.places = ['http://elsewhere/', f'file://{folder}/good%20image']
    assert read(None, service) == DATA
    option('allowed_direct_url_schemes', ['cinder'])
    assert read(f'file://{folder}/good%20image') == SENT


@pytest.mark.parametrize('name', ['short', 'link', 'folder', 'pipe', 'none', 'good%00image', ''])
def test_what_is_not_the_file(folder, name):
    assert read(f'file://{folder}/{name}') == SENT


@pytest.mark.parametrize('values', [
    {'os_hash_algo': None, 'os_hash_value': None, 'checksum': '0' * 32}, {'os_hash_algo': 'md5'},
    {'os_hash_algo': 'sha1'}, {'os_hash_value': ''}, {'size': len(DATA) + 1}, {'size': None}])
def test_an_image_that_could_be_another_file(folder, values):
    assert read(f'file://{folder}/good%20image', **values) == SENT


@pytest.mark.parametrize('url', ['file://elsewhere{}/good%20image', 'filesystem://{}/good%20image',
                                 'http://{}/good%20image', '{}/good%20image', 'file:', ''])
def test_another_place(folder, url):
    assert read(url.format(folder)) == SENT
