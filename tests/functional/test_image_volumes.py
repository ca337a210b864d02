# SPDX-License-Identifier: Apache-2.0
"""Images that a real Glance keeps in volumes of this service: an upload that registers a clone, new
volumes that are clones of that, and the deletion by Glance."""
import os

import pytest

from tests.functional.client import Client
from tests.functional.keystone import REGISTRATION_POINTS, TYPE_OF_IMAGES
from tests.functional.processes import wait_until

MIB = 1024 ** 2


@pytest.fixture
def member(guarded) -> Client:
    guarded.ensure_running()
    return guarded.client('member')


@pytest.fixture
def token(guarded) -> str:
    return guarded.keystone.token('member')


@pytest.fixture(scope='module', autouse=True)
def _volume_type(guarded) -> None:
    """Volumes of the type are on the back end that registers them, in that store of Glance."""
    guarded.ensure_running()
    guarded.client('project-admin').post('types', {'volume_type': {
        'name': TYPE_OF_IMAGES, 'extra_specs': {
            'volume_backend_name': 'second', 'image_service:store_id': 'volumes'}}})


@pytest.fixture
def volume(guarded, member) -> tuple[dict, bytes]:
    """A volume, and what it begins with."""
    made, data = member.ready_volume(volume_type=TYPE_OF_IMAGES), os.urandom(MIB)
    with path_of(guarded, made['id']).open('r+b') as file:
        file.write(data)
    return made, data


def path_of(suite, ident: str):
    found, = suite.state.parent.rglob(f'volume-{ident}')
    return found


def uploaded(client: Client, volume: dict, **values) -> str:
    """Have an image made of a volume, and return its id."""
    ident = client.action(volume['id'], 'os-volume_upload_image', {
        'image_name': 'mine', **values}, expect=202)['os-volume_upload_image']['image_id']
    client.wait_for_status('volume', volume['id'], 'available')
    return ident


def image_volume(client: Client, image_id: str) -> dict | None:
    found = client.get('volumes/detail')['volumes']
    return next((volume for volume in found
                 if volume['metadata'].get('glance_image_id') == image_id), None)


def test_there_and_back_without_a_transfer(guarded, guarded_images, member, token, volume):
    origin, data = volume
    image_id = uploaded(member, origin)
    image, kept = guarded_images.show(image_id, token), image_volume(member, image_id)
    assert (image['status'], image['size'], image['stores']) == ('active', 1024 ** 3, 'volumes')
    assert kept.items() >= {'status': 'available', 'name': f'image-{image_id}', 'size': 1}.items()
    made = member.ready_volume(imageRef=image_id, volume_type=TYPE_OF_IMAGES)
    assert path_of(guarded, made['id']).open('rb').read(MIB) == data
    assert made['bootable'] == 'true' and guarded_images.transfers_of(image_id) == 0
    guarded_images.call('DELETE', f'/{image_id}', token=token)
    wait_until(lambda: image_volume(member, image_id) is None, 30, 'the image volume to go')


@pytest.mark.parametrize('point', REGISTRATION_POINTS)
def test_a_kill_while_it_is_registered(guarded, guarded_images, member, token, volume, point):
    with guarded.killed_at(point, 60):
        image_id = member.action(volume[0]['id'], 'os-volume_upload_image', {
            'image_name': 'mine'}, expect=202)['os-volume_upload_image']['image_id']
    guarded.ensure_running()
    member.wait_for_status('volume', volume[0]['id'], 'available', 60)
    assert guarded_images.show(image_id, token)['status'] == 'active'
    kept = [each for each in member.get('volumes/detail')['volumes']
            if each['metadata'].get('glance_image_id') == image_id]
    assert [each['status'] for each in kept] == ['available']
    guarded_images.call('DELETE', f'/{image_id}', token=token)
    wait_until(lambda: image_volume(member, image_id) is None, 30, 'the image volume to go')
