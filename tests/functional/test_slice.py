# SPDX-License-Identifier: Apache-2.0
"""A volume from the first request to real bytes and back, over three daemons and a bus, with each
database and with each client that people use."""

import json
import os
import subprocess
import uuid

import openstack
import pytest

from tests.functional import storage
from tests.functional.client import LATEST
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import script


@pytest.fixture(scope='module')
def mariadb_suite(installation, mariadb):
    with installation('mariadb', mariadb.url('cinder')) as suite:
        yield suite


@pytest.fixture(params=['running_suite', 'mariadb_suite'], ids=['postgresql', 'mariadb'])
def suite(request):
    suite = request.getfixturevalue(request.param)
    suite.ensure_running()
    return suite


def test_bytes_survive_snapshot_clone_and_extend(suite, client):
    content = storage.sample()
    volume = client.ready_volume(name='origin', metadata={'purpose': 'test'})
    assert volume['metadata'] == {'purpose': 'test'}
    storage.write(client, volume['id'], content)
    snapshot = client.ready_snapshot(volume['id'])
    storage.write(client, volume['id'], storage.sample())

    copy = client.ready_volume(None, snapshot_id=snapshot['id'])
    assert storage.read(client, copy['id']) == content
    clone = client.ready_volume(2, source_volid=copy['id'])
    assert storage.read(client, clone['id']) == content
    client.action(clone['id'], 'os-extend', {'new_size': 3}, expect=202)
    assert client.wait_for_status('volume', clone['id'], 'available')['size'] == 3
    assert storage.read(client, clone['id']) == content
    Oracle(suite).check()

    client.delete(f'snapshots/{snapshot["id"]}', expect=202)
    client.wait_gone('snapshot', snapshot['id'])
    for each in (volume, copy, clone):
        client.delete(f'volumes/{each["id"]}', expect=202)
        client.wait_gone('volume', each['id'])
    Oracle(suite).check()


def test_new_volume_reads_zeros_where_another_was(suite, client):
    first = client.ready_volume()
    storage.write(client, first['id'], storage.sample())
    client.delete(f'volumes/{first["id"]}')
    client.wait_gone('volume', first['id'])
    second = client.ready_volume()
    assert not any(storage.read(client, second['id']))


def command(program: str, suite, project: str):
    """Return a function that runs a client program and gives its JSON, or its text."""
    env = {name: value for name, value in os.environ.items() if not name.startswith('OS_')} | {
        'OS_VOLUME_API_VERSION': LATEST}
    options = {
        'openstack': ('--os-auth-type', 'none', '--os-endpoint', f'{suite.endpoint}/v3/{project}'),
        'cinder': ('--os-auth-type', 'noauth', '--os-endpoint', f'{suite.endpoint}/v3',
                   '--os-project-id', project, '--os-user-id', 'tester')}[program]

    def run(*words: str):
        done = subprocess.run([script(program), *options, *words], env=env, text=True,
                              check=False, capture_output=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f'{program} {words}: {done.stdout}{done.stderr}'
        return json.loads(done.stdout) if '-f' in words else done.stdout
    return run


def test_openstackclient(suite, client):
    run = command('openstack', suite, client.project)
    volume = run('volume', 'create', '--size', '1', '--property', 'a=b', 'one', '-f', 'json')
    client.wait_for_status('volume', volume['id'], 'available')
    run('volume', 'set', '--size', '2', 'one')
    client.wait_for_status('volume', volume['id'], 'available')
    snapshot = run('volume', 'snapshot', 'create', '--volume', 'one', 'moment', '-f', 'json')
    client.wait_for_status('snapshot', snapshot['id'], 'available')
    copy = run('volume', 'create', '--snapshot', 'moment', 'two', '-f', 'json')
    client.wait_for_status('volume', copy['id'], 'available')
    shown = run('volume', 'list', '-f', 'json')
    assert {(row['Name'], row['Size'], row['Status']) for row in shown} == {
        ('one', 2, 'available'), ('two', 2, 'available')}
    run('volume', 'type', 'create', '--property', 'volume_backend_name=files',
        f'type-{client.project}')
    services = run('volume', 'service', 'list', '-f', 'json')
    assert {row['State'] for row in services} == {'up'}
    run('volume', 'snapshot', 'delete', 'moment')
    client.wait_gone('snapshot', snapshot['id'])
    run('volume', 'delete', 'one', 'two')
    client.wait_gone('volume', volume['id'])
    client.wait_gone('volume', copy['id'])


def test_cinderclient(suite, client):
    run = command('cinder', suite, client.project)
    run('create', '--name', 'one', '1', '--poll')
    run('extend', 'one', '2')
    volume, = client.find('volume', 'one')
    client.wait_for_status('volume', volume['id'], 'available')
    run('snapshot-create', '--name', 'moment', 'one')
    snapshot, = client.find('snapshot', 'moment')
    client.wait_for_status('snapshot', snapshot['id'], 'available')
    attachment = run('attachment-create', 'one', str(uuid.uuid4()))
    assert 'reserved' in attachment
    attachment_id = client.get('attachments')['attachments'][0]['id']
    run('attachment-update', attachment_id, '--ip', '127.0.0.1', '--initiator',
        'iqn.2000-01.org.example:cinderclient', '--host', 'here')
    run('attachment-delete', attachment_id)
    client.wait_for_status('volume', volume['id'], 'available')
    assert 'one' in run('list')
    run('snapshot-delete', 'moment')
    client.wait_gone('snapshot', snapshot['id'])
    run('delete', 'one')
    client.wait_gone('volume', volume['id'])
    wait_until(lambda: not list((suite.state / 'coordination').glob('cinder-*')), 10,
               'the lock files to be gone')


def test_openstacksdk(suite, client):
    cloud = openstack.connect(auth_type='none', load_yaml_config=False, load_envvars=False,
                              auth={'endpoint': f'{suite.endpoint}/v3/{client.project}'},
                              block_storage_default_microversion=LATEST)
    volumes = cloud.block_storage

    def ready(resource):
        return volumes.wait_for_status(resource, 'available', interval=0.1, wait=30)

    volume = ready(volumes.create_volume(name='one', size=1, metadata={'a': 'b'}))
    assert volume.metadata == {'a': 'b'}
    volumes.extend_volume(volume, 2)
    assert ready(volumes.get_volume(volume)).size == 2
    snapshot = ready(volumes.create_snapshot(volume_id=volume.id, name='moment'))
    copy = ready(volumes.create_volume(snapshot_id=snapshot.id, name='two', size=2))
    assert {each.name for each in volumes.volumes()} == {'one', 'two'}
    for delete, resource in ((volumes.delete_volume, copy), (volumes.delete_snapshot, snapshot),
                             (volumes.delete_volume, volume)):
        delete(resource)
        volumes.wait_for_delete(resource, interval=0.1, wait=30)
