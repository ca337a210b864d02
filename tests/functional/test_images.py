# SPDX-License-Identifier: Apache-2.0
"""Volumes from images and images from volumes, with a Glance of our own that really keeps them."""
import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import BACKEND, Suite

MIB = 1024 ** 2
INTERNAL = 'c0ffee00c0ffee00c0ffee00c0ffee00'
GIB = 1024 ** 3


@pytest.fixture(scope='module')
def images_suite(installation, postgresql, image_service) -> Iterator[Suite]:
    with installation('images', postgresql.url('images'), options={
            'DEFAULT': {'glance_api_servers': image_service.url, 'glance_num_retries': 2,
                        'allow_compression_on_image_upload': True},
    }) as suite:
        yield suite


@pytest.fixture
def suite(images_suite) -> Iterator[Suite]:
    """What is left in the folder of conversions is a fault of whatever test."""
    images_suite.ensure_running()
    yield images_suite
    folder = images_suite.state / 'conversion'
    assert not folder.exists() or list(folder.iterdir()) == []


def holds(suite: Suite, volume: dict, data: bytes) -> bool:
    """Whether a volume of 1 GiB begins with some bytes, and all others are zeros."""
    with (suite.volumes / f'volume-{volume["id"]}').open('rb') as file:
        same, place = file.read(len(data)) == data, len(data)
        while same and (place := _next_data(file.fileno(), place)) is not None:
            same, place = empty(os.pread(file.fileno(), MIB, place)), place + MIB
        return same and os.fstat(file.fileno()).st_size == GIB


def empty(data: bytes) -> bool:
    return data.count(0) == len(data)


def _next_data(fd: int, place: int) -> int | None:
    try:
        return os.lseek(fd, place, os.SEEK_DATA)
    except OSError:  # there is none
        return None


@pytest.fixture
def picture() -> bytes:
    """The bytes of a disk with a hole."""
    return os.urandom(MIB) + bytes(5 * MIB) + os.urandom(MIB)


@pytest.fixture
def converted(tmp_path):
    """Put the data of a disk into a file of another format."""
    def convert(picture: bytes, disk_format: str, *options: str):
        raw, made = tmp_path / 'raw', tmp_path / f'made.{disk_format}'
        raw.write_bytes(picture)
        subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', disk_format, *options,
                        raw, made], check=True)
        return made
    return convert


# disk_format, and what it is -> what qemu-img calls it, and its options.
FORMATS = {'raw': ('raw',), 'iso': ('raw',), 'qcow2': ('qcow2', '-c'), 'vmdk': ('vmdk',),
           'vmdk of a stream': ('vmdk', '-o', 'subformat=streamOptimized'), 'vdi': ('vdi',),
           'vhd': ('vpc', '-o', 'subformat=dynamic,force_size=on'), 'vhdx': ('vhdx',)}


@pytest.mark.parametrize('kind', FORMATS)
def test_a_volume_from_an_image(suite, client, image_service, picture, converted, kind):
    disk_format = kind.partition(' ')[0]
    if disk_format == 'iso':
        picture = picture[:32769] + b'CD001' + picture[32774:]
    image = image_service.add(converted(picture, *FORMATS[kind]), disk_format, os_type='plan9',
                              min_ram=64)
    made = client.ready_volume(imageRef=image['id'])
    assert holds(suite, made, picture)
    # Holes stay holes.
    assert (suite.volumes / f'volume-{made["id"]}').stat().st_blocks * 512 <= 3 * MIB
    assert made['bootable'] == 'true'
    kept = made['volume_image_metadata']
    assert kept.items() >= {'image_id': image['id'], 'image_name': 'picture', 'min_ram': '64',
                            'checksum': image['checksum'], 'container_format': 'bare',
                            'disk_format': disk_format, 'os_type': 'plan9',
                            'size': str(image['size'])}.items()
    assert not kept.keys() & {'owner', 'id', 'stores', 'file', 'os_hash_value', 'status'}


def test_what_no_volume_can_be_made_of(client, image_service, picture, converted):
    def refused(words, size=1, status=400, **values):
        body = {'volume': {'size': size, **values}}
        answer = client.request('POST', 'volumes', body)
        assert answer.status == status and words in str(answer), answer

    image = image_service.add(picture, min_disk=3)
    refused('3 GiB', imageRef=image['id'])
    refused('size', size=None, imageRef=image['id'])
    refused('status', imageRef=image_service.call('POST', '', {'name': 'empty'})['id'])
    refused("'ari'", imageRef=image_service.add(picture, 'ari', container_format='ari')['id'])
    refused('Invalid image identifier', imageRef='plan9')
    refused('could not be found', status=404, imageRef='00000000-0000-4000-8000-000000000009')


@pytest.mark.parametrize('name', ['Plan 9, "fourth" ü', 'in:one,two'])
def test_an_image_by_its_name_with_the_type_that_it_names(client, image_service, picture, name):
    client.post('types', {'volume_type': {'name': f'of {name}'}})
    image = image_service.add(picture, name=name, cinder_img_volume_type=f'of {name}')
    made = client.ready_volume(imageRef=name)
    assert (made['volume_image_metadata']['image_id'], made['volume_type']) == (
        image['id'], f'of {name}')
    second = image_service.add(picture, name=name)
    answer = client.request('POST', 'volumes', {'volume': {'size': 1, 'imageRef': name}})
    assert answer.status == 409 and second['id'] in str(answer)


@pytest.mark.parametrize(('disk_format', 'options', 'words'), [
    ('qcow2', ('-o', 'backing_file=/etc/passwd,backing_fmt=raw'), 'other files'),
    ('qcow2', ('-o', 'data_file=/tmp/images-data,data_file_raw=on'), 'other files'),
    ('raw', (), 'its data is'),
])
def test_a_dangerous_image(suite, client, image_service, tmp_path, disk_format, options, words):
    """One that names another file; and one that is called raw, and is not."""
    made = tmp_path / 'made'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-u', *options, made, '1M'],
                   check=True)
    image = image_service.add(b'harmless')
    image_service.plant(image['id'], made.read_bytes(), disk_format)
    volume = client.create_volume(imageRef=image['id'])
    told = wait_for_failure(client, volume)
    assert words in told and image['id'] in told
    assert holds(suite, volume, b'')
    assert 'volume_image_metadata' not in client.show('volume', volume['id'])


def test_a_damaged_image(suite, client, image_service, picture):
    image = image_service.add(picture)
    (image_service.images / image['id']).write_bytes(bytes(len(picture)))
    volume = client.create_volume(imageRef=image['id'])
    assert 'checksum' in wait_for_failure(client, volume)
    assert holds(suite, volume, b'')


def wait_for_failure(client, volume: dict, status: str = 'error') -> str:
    """Wait for an error status and return what the user is told."""
    client.wait_for_status('volume', volume['id'], status)
    return client.messages(volume['id'])[0]['user_message']


# ---------------------------------------------------------------------------- images from volumes
@pytest.fixture
def volume(suite, client, image_service, picture) -> dict:
    """A volume that begins with the picture."""
    return client.ready_volume(imageRef=image_service.add(picture, os_type='plan9')['id'])


def upload(client, volume: dict, **values) -> str:
    """Have an image made of a volume; returns its id."""
    answer = client.action(volume['id'], 'os-volume_upload_image', {
        'image_name': 'mine', **values}, expect=202)['os-volume_upload_image']
    assert answer['status'] == 'uploading'
    return answer['image_id']


@pytest.mark.parametrize(('disk_format', 'container_format'), [
    ('qcow2', 'bare'), ('qcow2', 'compressed'), ('vmdk', 'bare'), ('vdi', 'bare'), ('vhd', 'bare'),
    ('vhdx', 'bare')])
def test_there_and_back(suite, client, image_service, volume, picture, disk_format,
                        container_format):
    """Headers of another format in a volume are bytes like others."""
    path = suite.volumes / f'volume-{volume["id"]}'
    with path.open('r+b') as file:
        file.write(b'QFI\xfb\x00\x00\x00\x03')
    picture = b'QFI\xfb\x00\x00\x00\x03' + picture[8:]
    ident = upload(client, volume, disk_format=disk_format, container_format=container_format)
    client.wait_for_status('volume', volume['id'], 'available')
    assert image_service.show(ident)['size'] < 32 * MIB
    assert holds(suite, client.ready_volume(imageRef=ident), picture)


# ------------------------------------------------------------------------- images over volumes
@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_an_image_over_a_volume(suite, client, image_service, volume, picture, converted,
                                disk_format):
    with (suite.volumes / f'volume-{volume["id"]}').open('r+b') as file:
        file.write(os.urandom(8 * MIB))
        file.seek(GIB - MIB)
        file.write(os.urandom(MIB))
    image = image_service.add(converted(picture, disk_format), disk_format, hw_model='new')
    client.action(volume['id'], 'os-reimage', {'image_id': image['id']}, expect=202)
    overwritten = client.wait_for_status('volume', volume['id'], 'available')
    assert holds(suite, volume, picture)
    kept = overwritten['volume_image_metadata']
    assert (kept['image_id'], kept['hw_model']) == (image['id'], 'new') and 'os_type' not in kept


# -------------------------------------------------------------------------------------- faults
@pytest.fixture(scope='module')
def big() -> bytes:
    """What takes a moment to transfer."""
    return os.urandom(256 * MIB)


def begun(suite: Suite) -> bool:
    """Whether data of an image is here."""
    for path in (suite.state / 'conversion').glob('shared-*.claim'):
        with contextlib.suppress(FileNotFoundError):
            if re.search(r'"done": [1-9]', path.read_text()):
                return True
    return False


def test_kill_while_an_image_comes(suite, client, image_service, big):
    volume = client.create_volume(imageRef=image_service.add(big)['id'])
    wait_until(lambda: begun(suite), 30, 'the transfer to begin', pause=0.001)
    with image_service.paused():
        assert client.show('volume', volume['id'])['status'] == 'downloading'
        suite.processes['volume'].kill9()
    assert begun(suite)
    suite.ensure_running()
    client.wait_for_status('volume', volume['id'], 'available', 60)
    assert holds(suite, volume, big)


def test_kill_while_an_image_goes(suite, client, image_service, volume, picture):
    ident = upload(client, volume, visibility='private')
    path = image_service.images / ident
    wait_until(lambda: path.exists() and path.stat().st_size, 30, 'the transfer to begin',
               pause=0.001)
    with image_service.paused():
        assert path.stat().st_size < GIB
        suite.processes['volume'].kill9()
    suite.ensure_running()
    client.wait_for_status('volume', volume['id'], 'available', 60)
    image = image_service.show(ident)
    assert image.items() >= {'name': 'mine', 'status': 'active', 'size': GIB, 'os_type': 'plan9',
                             'disk_format': 'raw', 'visibility': 'private'}.items()
    with path.open('rb') as file:
        assert file.read(len(picture)) == picture
        assert all(map(empty, iter(lambda: file.read(MIB), b'')))
        assert file.tell() == GIB


def test_an_image_service_that_dies(suite, client, image_service, big):
    volume = client.create_volume(imageRef=image_service.add(big)['id'])
    wait_until(lambda: begun(suite), 30, 'the transfer to begin', pause=0.001)
    image_service.kill9()
    try:
        assert 'The image service is unavailable' in wait_for_failure(client, volume)
        answer = client.request('POST', 'volumes', {
            'volume': {'size': 1, 'imageRef': '00000000-0000-4000-8000-000000000009'}})
        assert answer.status == 503 and 'image service' in str(answer)
        assert client.ready_volume()['bootable'] == 'false'
    finally:
        image_service.start()


def test_twenty_volumes_of_one_image_and_a_kill(installation, postgresql, image_service, big):
    ident = image_service.add(big)['id']
    with installation('image_cache', postgresql.url('image_cache'), options={
            'DEFAULT': {'glance_api_servers': image_service.url,
                        'cinder_internal_tenant_project_id': INTERNAL,
                        'cinder_internal_tenant_user_id': 'nobody', 'quota_volumes': -1},
            BACKEND: {'image_volume_cache_enabled': True}}) as suite:
        client = suite.client()
        volumes = [client.create_volume(imageRef=ident) for _number in range(20)]
        wait_until(lambda: begun(suite), 30, 'the transfer to begin', pause=0.001)
        with image_service.paused():
            suite.processes['volume'].kill9()
        suite.ensure_running()
        for volume in volumes:
            client.wait_for_status('volume', volume['id'], 'available', 60)
        # Once more after the kill, which may end a transfer without a line in the log.
        assert image_service.transfers_of(ident) in (1, 2)
        assert all(holds(suite, volume, big) for volume in volumes[::7])
        for volume in volumes:
            client.delete(f'volumes/{volume["id"]}', expect=202)
        entry, = json.loads(suite.manage('image-cache', 'list', '--json'))
        assert entry.items() >= {'image': ident, 'size': 1, 'status': 'available'}.items()
        suite.manage('image-cache', 'evict', ident)
        wait_until(lambda: not list(suite.volumes.glob('volume-*')), 60, 'the last volume to go')
        Oracle(suite).check()


def test_nothing_is_left(suite):
    Oracle(suite).check()


# ----------------------------------------------------------------------------------- whose it is
def test_private_images(guarded, guarded_images):
    """The API asks with the caller's token; the daemon, which has none, with its own."""
    guarded.ensure_running()
    member, token = guarded.client('member'), guarded.keystone.token('member')
    image = guarded_images.add(b'picture', visibility='private', token=token)
    stranger = guarded.client('other-member').request(
        'POST', 'volumes', {'volume': {'size': 1, 'imageRef': image['id']}})
    assert stranger.status == 404, stranger
    volume = member.ready_volume(imageRef=image['id'])
    made = upload(member, volume, disk_format='qcow2')
    member.wait_for_status('volume', volume['id'], 'available')
    kept = guarded_images.show(made, token)
    assert kept.items() >= {'status': 'active', 'visibility': 'private',
                            'owner': guarded.keystone.projects['own']}.items()
