# SPDX-License-Identifier: Apache-2.0
"""Volumes that a server uses and that move to another back end: a compute service copies them, or
refuses, fails, says nothing, or never comes to an end."""

import json
import pathlib
import sys
import time
import uuid

import pytest

from tests.functional import processes, storage
from tests.functional.oracle import Oracle
from tests.functional.suite import BACKEND, ROOT
from tools.initiator import CONNECTOR, Device

OTHER = 'second'
SERVER = str(uuid.uuid4())
LIMIT = 10


class Nova(processes.Process):
    """The compute service."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True)
        self.port, self.mode_file = processes.free_port(), folder / 'mode'
        self.folder, self.events = folder, folder / 'events'
        self.events.touch()

    def serve(self, endpoint: str) -> None:
        super().__init__('nova', [sys.executable, '-m', 'tests.fakes.nova', str(self.port),
                                  endpoint, str(self.mode_file)], self.folder / 'nova.log',
                         {'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'})
        self.start()
        self.wait_for(lambda: processes.listens(self.port), 20)

    def behaves(self, mode: str) -> None:
        self.mode_file.write_text(mode)


@pytest.fixture(scope='module')
def nova(workspace):
    return Nova(workspace / 'nova')


@pytest.fixture(scope='module')
def suite(nova, installation, postgresql):
    options = {
        'DEFAULT': {'migration_create_volume_timeout_secs': 3,
                    'migration_completion_timeout_secs': LIMIT},
        'nova': {'auth_type': 'none', 'endpoint': f'http://127.0.0.1:{nova.port}/v2.1',
                 'timeout': 1}}
    with installation('swap', postgresql.url('swap'), backends=(BACKEND, OTHER),
                      options=options) as made:
        nova.serve(made.endpoint)
        try:
            yield made
        finally:
            nova.stop()


@pytest.fixture
def client(suite):
    # The compute service asks with the same project.
    return suite.client()


@pytest.fixture
def volume(client, suite):
    """A volume that a server uses, with bytes in it, and where it is and is to go."""
    made = client.ready_volume()
    here = client.show('volume', made['id'])['os-vol-host-attr:host'].partition('#')[2]
    content = storage.sample()
    storage.write(client, made['id'], content)
    attachment = client.post('attachments', {'attachment': {
        'volume_uuid': made['id'], 'instance_uuid': SERVER,
        'connector': CONNECTOR}})['attachment']
    client.post(f'attachments/{attachment["id"]}/action', {'os-complete': {}}, expect=204)
    client.wait_for_status('volume', made['id'], 'in-use')
    yield made | {'content': content, 'attachment': attachment['id'], 'here': here,
                  'there': OTHER if here == BACKEND else BACKEND}
    for left in client.get(f'attachments?volume_id={made["id"]}')['attachments']:
        client.delete(f'attachments/{left["id"]}')
    client.delete(f'volumes/{made["id"]}', expect=202)
    client.wait_gone('volume', made['id'])


def migrate(client, volume):
    client.action(volume['id'], 'os-migrate_volume', {
        'host': f'node1@{volume["there"]}#{volume["there"]}'}, expect=202)


def ended(client, volume, status, seconds=30):
    """Wait until the migration has this status, and return the volume."""
    return processes.wait_until(
        lambda: (shown := client.show('volume', volume['id']))['migration_status'] == status
        and shown, seconds, lambda: f'{status}: {client.show("volume", volume["id"])} '
                                    f'{client.messages(volume["id"])}', pause=0.2)


def check_moved(suite, client, volume):
    """Id and bytes are the same, on the other back end, for the server that had it."""
    shown = ended(client, volume, 'success')
    assert shown['os-vol-host-attr:host'] == f'node1@{volume["there"]}#{volume["there"]}'
    assert shown['status'] == 'in-use'
    processes.wait_until(lambda: [each['server_id'] for each in client.show(
        'volume', volume['id'])['attachments']] == [SERVER], 10, 'the server to have it')
    attachment, = client.get(f'attachments/detail?volume_id={volume["id"]}')['attachments']
    assert attachment['id'] != volume['attachment']
    info = client.show('attachment', attachment['id'])['connection_info']
    assert info['volume_id'] == volume['id']
    assert Device(info).read(storage.SAMPLE_MIB) == volume['content']
    check_rest(suite, client, volume)
    return shown


def check_stayed(suite, client, volume, words):
    """The server still has it where it was, and a message says why."""
    shown = ended(client, volume, 'error')
    assert shown['os-vol-host-attr:host'] == f'node1@{volume["here"]}#{volume["here"]}'
    assert shown['status'] == 'in-use'
    assert [each['attachment_id'] for each in shown['attachments']] == [volume['attachment']]
    info = client.show('attachment', volume['attachment'])['connection_info']
    assert Device(info).read(storage.SAMPLE_MIB) == volume['content']
    assert words in client.messages(volume['id'])[0]['user_message']
    check_rest(suite, client, volume)


def check_rest(suite, client, volume):
    """One volume is there, and one is counted; nothing is left on disk."""
    Oracle(suite).check()
    assert [each['id'] for each in client.get('volumes?all_tenants=1')['volumes']] == [
        volume['id']]
    usage = client.get(f'os-quota-sets/{client.project}?usage=true')['quota_set']
    assert (usage['volumes']['in_use'], usage['gigabytes']['in_use']) == (1, 1)


def test_a_volume_in_use_moves(suite, client, nova, volume):
    nova.behaves('copy')
    migrate(client, volume)
    check_moved(suite, client, volume)


def test_a_retype_moves_it_too(suite, client, nova, volume):
    nova.behaves('copy')
    kind = client.post('types', {'volume_type': {
        'name': uuid.uuid4().hex,
        'extra_specs': {'volume_backend_name': volume['there']}}})['volume_type']
    client.action(volume['id'], 'os-retype',
                  {'new_type': kind['id'], 'migration_policy': 'on-demand'}, expect=202)
    assert check_moved(suite, client, volume)['volume_type'] == kind['name']


@pytest.mark.parametrize(('mode', 'words'), [
    ('refuse', 'refused to copy'), ('fail', 'could not copy'), ('silent', 'does not answer')])
def test_it_stays_when_the_compute_service_does_not_copy_it(suite, client, nova, volume, mode,
                                                            words):
    nova.behaves(mode)
    migrate(client, volume)
    check_stayed(suite, client, volume, words)


def test_a_volume_service_that_is_killed_waits_on(suite, client, nova, volume):
    nova.behaves('slow')
    migrate(client, volume)
    target = copy_of(client, volume)
    client.wait_for_status('volume', target, 'attaching')
    suite.restart('volume')
    check_moved(suite, client, volume)


def test_the_server_is_told_that_its_volume_has_grown(suite, client, nova, volume):
    client.action(volume['id'], 'os-extend', {'new_size': 2}, expect=202)
    assert client.wait_for_status('volume', volume['id'], 'in-use')['size'] == 2
    told = processes.wait_until(nova.events.read_text, 5, 'an event')
    assert json.loads(told) == {'name': 'volume-extended', 'server_uuid': SERVER,
                                'tag': volume['id']}
    # It is done already: nothing waits for the compute service.
    assert client.request('POST', f'volumes/{volume["id"]}/action', {
        'os-extend_volume_completion': {'error': False}}).status == 400
    Oracle(suite).check()


def test_what_never_ends_is_ended_by_an_administrator(suite, client, nova, volume):
    """The copy may be in use by then, so that nobody else dares to remove it."""
    nova.behaves('hang')
    migrate(client, volume)
    target = copy_of(client, volume)
    shown = ended(client, volume, 'error', LIMIT + 15)
    assert shown['status'] == 'in-use'
    assert target in client.messages(volume['id'])[0]['user_message']
    assert client.get(f'volumes/{target}')
    client.action(volume['id'], 'os-migrate_volume_completion',
                  {'new_volume': target, 'error': True}, expect=200)
    client.wait_gone('volume', target)
    check_stayed(suite, client, volume, 'did not report in time')


def copy_of(client, volume):
    """Return the id of the volume that it is copied to, when there is one."""
    def look():
        time.sleep(0.1)
        return [each['id'] for each in client.get('volumes/detail?all_tenants=1')['volumes']
                if each.get('migration_status') == f'target:{volume["id"]}']
    return processes.wait_until(look, 15, 'the volume to copy to')[0]
