# SPDX-License-Identifier: Apache-2.0
"""Signed images with a real Glance and a real Barbican, set up with the commands of
doc/source/images.rst."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from tests.functional.suite import script

PAGE = (pathlib.Path(__file__).parents[2] / 'doc/source/images.rst').read_text()
COMMANDS = [line.strip() for found in re.finditer(
    r'^\.\. example: commands\n\n::\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)
    for line in found[1].splitlines() if line.strip()]
MIB = 1024 ** 2


@pytest.fixture(scope='module')
def publisher(guarded, guarded_images, key_service, tmp_path_factory):
    """Run commands as a member of a project, in a folder of its own; returns (run, folder)."""
    folder = tmp_path_factory.mktemp('publisher')
    (folder / 'clouds.yaml').write_text(json.dumps(guarded.keystone.clouds()))
    environment = os.environ | {
        'OS_CLOUD': 'member', 'OS_CLIENT_CONFIG_FILE': str(folder / 'clouds.yaml'),
        'PYTHONWARNINGS': 'ignore', 'HOME': str(folder),
        'PATH': f'{pathlib.Path(script("python")).parent}:{os.environ["PATH"]}'}

    def run(*commands: str) -> str:
        done = subprocess.run(['bash', '-eu', '-c', '\n'.join(commands)], env=environment,
                              cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f'{done.stdout}{done.stderr}'
        return done.stdout
    guarded.ensure_running()
    return run, folder


@pytest.fixture(scope='module')
def picture(publisher) -> bytes:
    """The data of disk.qcow2."""
    data = os.urandom(MIB) + bytes(MIB)
    _run, folder = publisher
    (folder / 'raw').write_bytes(data)
    subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', 'qcow2', folder / 'raw',
                    folder / 'disk.qcow2'], check=True)
    return data


def data_of(suite, volume_id: str) -> bytes:
    paths = [path for path in suite.state.rglob(f'volume-{volume_id}') if path.is_file()]
    assert len(paths) == 1, paths
    with paths[0].open('rb') as file:
        return file.read(2 * MIB)


@pytest.fixture(scope='module')
def verified(guarded, publisher, picture) -> dict:
    """Type the commands of the page; returns what the last one shows."""
    run, _folder = publisher
    assert len(COMMANDS) == 6 and COMMANDS[-1].startswith('openstack volume show')
    run(*COMMANDS[:-1])
    client = guarded.client('member')
    volume, = (each for each in client.get('volumes/detail')['volumes']
               if each['name'] == 'verified')
    client.wait_for_status('volume', volume['id'], 'available')
    return json.loads(run(COMMANDS[-1])) | {'id': volume['id']}


def test_the_commands_of_the_page(guarded, verified, picture):
    assert verified['status'] == 'available'
    assert verified['volume_image_metadata']['signature_verified'] == 'True'
    assert data_of(guarded, verified['id']) == picture


def test_other_data_than_was_signed(guarded, guarded_images, verified, publisher):
    """Put where Glance keeps the data, with a checksum that fits."""
    _run, folder = publisher
    client, token = guarded.client('member'), guarded.keystone.token('member')
    image, = guarded_images.call('GET', '?name=signed-disk', token=token)['images']
    data = bytearray((folder / 'disk.qcow2').read_bytes())
    data[-1] ^= 1
    guarded_images.plant(image['id'], bytes(data), 'qcow2')
    volume = client.create_volume(imageRef=image['id'])
    client.wait_for_status('volume', volume['id'], 'error')
    assert 'does not match its signature' in client.messages(volume['id'])[0]['user_message']
    assert not data_of(guarded, volume['id']).strip(b'\0')
    assert not list(guarded.state.glob('conversion/*'))


def test_who_may_not_read_the_certificate(guarded, guarded_images, key_service, verified,
                                          publisher):
    """The image is for everybody, its certificate is not. A key manager that is down is another
    answer."""
    token = guarded.keystone.token('member')
    image, = guarded_images.call('GET', '?name=signed-disk', token=token)['images']
    guarded_images.call('PATCH', f'/{image["id"]}', [
        {'op': 'replace', 'path': '/visibility', 'value': 'community'}], token, {
            'Content-Type': 'application/openstack-images-v2.1-json-patch'})
    body = {'volume': {'size': 1, 'imageRef': image['id']}}
    refused = guarded.client('other-member').request('POST', 'volumes', body)
    assert refused.status == 400 and 'refuses access' in str(refused)
    key_service.stop()
    try:
        away = guarded.client('member').request('POST', 'volumes', body)
        assert away.status == 503 and 'key manager' in str(away)
    finally:
        key_service.start()
