# SPDX-License-Identifier: Apache-2.0
"""Encrypted volumes and images with a real Glance and a real Barbican, made with the commands of
doc/source/encryption.rst, and opened as hosts open them."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from cinder.brick import disks
from cinder.brick.luks import container
from tests.functional.processes import wait_until
from tests.functional.test_signed_images import publisher  # noqa: F401 # a fixture

PAGE = (pathlib.Path(__file__).parents[2] / 'doc/source/encryption.rst').read_text()
MIB, GIB = 1024 ** 2, 1024 ** 3
TYPE = {'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
        'control_location': 'front-end'}


def commands(name: str) -> list[str]:
    """The commands of an example of the page."""
    found = re.search(rf'^\.\. example: {name}\n\n::\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)
    return [line.strip() for line in found[1].splitlines() if line.strip()]


class Cloud:
    """What a member of a project makes, and what of that can be read.

    :ivar made: name -> volume
    """

    def __init__(self, suite, images, key_service, run, folder):
        self.suite, self.images, self.keys = suite, images, key_service
        self.run, self.folder, self.made = run, folder, {}
        self.client, self.token = suite.client('member'), suite.keystone.token('member')

    def wait(self, name):
        """Wait for a volume; return it."""
        found, = (each for each in self.client.get('volumes/detail')['volumes']
                  if each['name'] == name)
        self.made[name] = self.client.wait_for_status('volume', found['id'], 'available')
        return self.made[name]

    def path(self, name):
        ident = self.made[name]['id']
        found, = (each for each in self.suite.state.rglob(f'volume-{ident}') if each.is_file())
        return found

    def passphrase(self, name):
        """What Nova makes of the key that Barbican gives the user."""
        facts = self.client.get(f'volumes/{self.made[name]["id"]}/encryption')
        return self.keys.payload(facts['encryption_key_id'], self.token).hex().encode()

    def opens(self, name, passphrase):
        """Whether cryptsetup opens a volume."""
        done = subprocess.run(
            ['cryptsetup', 'open', '--test-passphrase', '--key-file=-', self.path(name)],
            input=passphrase, capture_output=True, check=False)
        return done.returncode == 0

    def data(self, name, length):
        """What QEMU reads in a volume of LUKS 1; ours in another one."""
        (self.folder / 'secret').write_bytes(self.passphrase(name))
        (self.folder / 'out').unlink(missing_ok=True)
        subprocess.run([
            'qemu-img', 'dd', '-O', 'raw', '--object', f'secret,id=s,file={self.folder}/secret',
            '--image-opts', 'bs=64k', f'count={length // 65536}',
            f'if=driver=luks,key-secret=s,file.filename={self.path(name)}',
            f'of={self.folder}/out'], check=True, capture_output=True)
        return (self.folder / 'out').read_bytes()


@pytest.fixture(scope='module')
def picture() -> bytes:
    return os.urandom(MIB) + bytes(MIB) + os.urandom(65536)


@pytest.fixture(scope='module')
def cloud(guarded, guarded_images, key_service, publisher, picture):  # noqa: F811
    run, folder = publisher
    clouds = guarded.keystone.clouds()
    clouds['clouds']['admin'] = clouds['clouds']['project-admin']
    (folder / 'clouds.yaml').write_text(json.dumps(clouds))
    (folder / 'raw').write_bytes(picture)
    subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', 'qcow2', folder / 'raw',
                    folder / 'disk.qcow2'], check=True)
    made = Cloud(guarded, guarded_images, key_service, run, folder)
    made.before = key_service.secret_ids()
    run(*commands('type'), *commands('create'))
    made.wait('secret')
    return made


def test_a_volume_from_an_image(cloud, picture):
    assert cloud.data('secret', len(picture)) == picture
    with cloud.path('secret').open('rb') as file:
        assert picture[:64] not in file.read(8 * MIB)
    passphrase = cloud.passphrase('secret')
    assert cloud.opens('secret', passphrase) and not cloud.opens('secret', b'0' * 64)
    assert cloud.made['secret']['bootable'] == 'true'
    assert not list(cloud.suite.state.glob('conversion/*'))


def test_its_image_and_a_volume_of_that(cloud, picture):
    cloud.run(*commands('upload'))
    token = cloud.token
    image, = cloud.images.call('GET', '?name=secret-disk', token=token)['images']
    wait_until(lambda: cloud.images.call('GET', f'/{image["id"]}', token=token)['status']
               == 'active', 120, 'the image')
    assert cloud.images.call('GET', f'/{image["id"]}', token=token)['size'] == GIB
    *made, shown = commands('use')
    cloud.run(*made)
    cloud.wait('second')
    assert cloud.data('second', len(picture)) == picture
    properties = json.loads(cloud.run(shown))['properties']
    assert properties['cinder_encryption_key_deletion_policy'] == 'on_image_deletion'
    # Three keys of their own with the same bytes.
    held = {name: cloud.client.get(f'volumes/{cloud.made[name]["id"]}/encryption')[
        'encryption_key_id'] for name in ('secret', 'second')}
    held['image'] = properties['cinder_encryption_key_id']
    assert len(set(held.values())) == 3
    assert len({cloud.keys.payload(key, token) for key in held.values()}) == 1


def test_over_a_volume(cloud, picture):
    former = cloud.path('second').open('rb').read(4 * MIB)
    image, = cloud.images.call('GET', '?name=plain-disk', token=cloud.token)['images']
    cloud.client.post(f'volumes/{cloud.made["second"]["id"]}/action',
                      {'os-reimage': {'image_id': image['id']}})
    cloud.client.wait_for_status('volume', cloud.made['second']['id'], 'available')
    assert cloud.data('second', len(picture)) == picture
    # The key of the data is another one.
    assert cloud.path('second').open('rb').read(4 * MIB)[3 * MIB:] != former[3 * MIB:]


def test_a_volume_of_version_2(cloud, picture):
    admin = cloud.suite.client('project-admin')
    kind = admin.post('types', {'volume_type': {'name': 'second version'}})['volume_type']
    admin.post(f'types/{kind["id"]}/encryption', {'encryption': {**TYPE, 'provider': 'luks2'}})
    cloud.run("openstack volume create --type 'second version' --image plain-disk --size 1 two")
    cloud.wait('two')
    passphrase = cloud.passphrase('two')
    assert cloud.opens('two', passphrase) and not cloud.opens('two', cloud.passphrase('secret'))
    with disks.opened(str(cloud.path('two'))) as disk, container.opened(
            disk, GIB, passphrase) as inside:
        assert inside.read(0, len(picture)) == picture


def test_no_key_is_left_and_none_is_told(cloud):
    """Not in logs, the database's rows, or any other file of the services."""
    secrets = [cloud.passphrase(name) for name in cloud.made]
    for path in cloud.suite.directory.rglob('*'):
        if path.is_file() and path.stat().st_size < 64 * MIB and 'volume-' not in path.name:
            data = path.read_bytes()
            assert not any(secret in data for secret in secrets), path
    for volume in cloud.made.values():
        cloud.client.delete(f'volumes/{volume["id"]}')
    for volume in cloud.made.values():
        cloud.client.wait_gone('volume', volume['id'])
    cloud.run('openstack image delete secret-disk plain-disk')
    assert cloud.keys.secret_ids() == cloud.before
