# SPDX-License-Identifier: Apache-2.0
"""The logs of the daemons as an operator reads them: what users do wrong is no error of theirs, a
line says a thing once, and a request is named as it was sent."""

import re
import uuid

import pytest

from tests.functional.processes import wait_until

NOBODY = str(uuid.UUID(int=7))
CONNECTOR = {'host': 'node', 'os_type': 'linux', 'platform': 'x86_64', 'multipath': False}
# What oslo.log puts before the message: time, process, level, logger, request.
PREFIX = re.compile(r'^\S+ \S+ \d+ (?P<level>[A-Z]+) (?P<logger>\S+) \[[^]]*\] (?P<message>.*)$')
# So many words one after the other are a text.
NOTIFICATIONS = 'oslo.messaging.notification'
WORDS = 4


def _volume(**fields):
    return 'POST', 'volumes', {'volume': {'size': 1} | fields}


def _action(name, arguments=None, volume='{volume}'):
    return 'POST', f'volumes/{volume}/action', {name: arguments}


# Method, path, body and, where it is not an administrator of the latest version, headers.
MISTAKES = [
    *(('GET', f'{kind}/{NOBODY}') for kind in (
        'volumes', 'snapshots', 'attachments', 'types', 'groups', 'backups', 'messages',
        'qos-specs', 'group_snapshots', 'volume-transfers')),
    ('GET', 'volumes/nope'), ('GET', 'nowhere'), ('GET', '/v4/'), ('GET', '/v3/none/volumes'),
    ('GET', 'volumes?limit=-1'), ('GET', f'volumes?marker={NOBODY}'),
    ('GET', 'volumes?sort_key=bad'), ('GET', 'volumes?sort=name:up'),
    ('GET', 'volumes', None, {'OpenStack-API-Version': 'volume 9.99'}),
    ('GET', 'volumes', None, {'OpenStack-API-Version': 'volume x'}),
    ('GET', 'os-services', None, {'X-Roles': 'reader'}),
    ('POST', 'volumes', {'volume': {'size': 1}}, {'X-Roles': 'reader'}),
    ('PUT', 'volumes', {}), ('POST', 'volumes', {}), ('POST', 'volumes', b'{'),
    ('POST', 'volumes', b'\xff\xfe'), ('POST', 'volumes', b'x', {'Content-Type': 'text/plain'}),
    _volume(size=0), _volume(size='a'), _volume(size=10**6), _volume(name='x' * 300),
    _volume(volume_type='nope'), _volume(availability_zone='mars'), _volume(snapshot_id=NOBODY),
    _volume(source_volid=NOBODY), _volume(imageRef=NOBODY), _volume(bad=1),
    _volume(metadata={'a': 'b' * 300}), _volume(snapshot_id='{snapshot}', source_volid='{volume}'),
    _action('os-extend', {'new_size': 1}), _action('os-extend', {'new_size': 'x'}),
    _action('os-nothing'), _action('os-reset_status', {'status': 'x'}),
    _action('os-retype', {'new_type': 'nope', 'migration_policy': 'never'}),
    _action('os-migrate_volume', {'host': 'mars@x#y'}), _action('revert', {'snapshot_id': NOBODY}),
    _action('os-initialize_connection', {'connector': CONNECTOR}), _action('os-unmanage'),
    ('DELETE', 'volumes/{volume}'), ('DELETE', f'volumes/{NOBODY}'),
    ('POST', 'snapshots', {'snapshot': {'volume_id': NOBODY}}), ('POST', 'snapshots', {}),
    ('POST', 'types', {'volume_type': {'name': '{type}'}}), ('DELETE', 'types/{type_id}'),
    ('POST', 'volume-transfers', {'transfer': {'volume_id': NOBODY}}),
    ('POST', f'volume-transfers/{NOBODY}/accept', {'accept': {'auth_key': 'x'}}),
    ('POST', 'groups', {'group': {'group_type': 'x', 'volume_types': ['nope']}}),
    ('PUT', 'os-quota-sets/{project}', {'quota_set': {'volumes': -5}}),
    ('PUT', 'os-quota-sets/{project}', {'quota_set': {'volumes': 1}}),
    ('POST', 'manageable_volumes', {'volume': {'host': 'mars@x#y', 'ref': {'source-name': 'x'}}}),
    ('PUT', 'os-services/disable', {'host': 'mars', 'binary': 'cinder-volume'}),
    ('PUT', 'os-services/freeze', {'host': 'mars'}),
    ('PUT', 'volumes/{volume}/metadata/a', {'meta': {'b': 'c'}}),
    ('GET', 'volumes/{volume}/metadata/none'),
    # Those that a back end finds.
    ('POST', 'attachments', {'attachment': {'volume_uuid': '{other}', 'instance_uuid': NOBODY,
                                            'connector': CONNECTOR}}),
]


def fill(thing, names):
    """Put the ids of things into the strings of a request."""
    if isinstance(thing, str):
        return re.sub(r'\{(\w+)\}', lambda found: names[found[1]], thing)
    if isinstance(thing, dict):
        return {key: fill(value, names) for key, value in thing.items()}
    return thing


class Log:
    """What the daemons write from here on."""

    def __init__(self, suite):
        self.begins = {process.log: process.log.stat().st_size
                       for process in suite.processes.values()}

    def lines(self):
        for path, size in self.begins.items():
            with path.open('rb') as log:
                log.seek(size)
                # Without notifications, which the driver `log` writes there too.
                yield from (line for line in log.read().decode().splitlines()
                            if NOTIFICATIONS not in line)

    def text(self):
        return '\n'.join(self.lines())


def doubled(message):
    """The first run of WORDS words that a message has twice."""
    words = message.split()
    seen = {}
    for place in range(len(words) - WORDS + 1):
        run = tuple(words[place:place + WORDS])
        if place - seen.setdefault(run, place) >= WORDS:
            return ' '.join(run)
    return None


@pytest.fixture
def things(client):
    """Names for fill(): a volume with a snapshot, another one, and a type that no back end has."""
    volume, other = (client.create_volume() for _number in range(2))
    client.wait_for_status('volume', volume['id'], 'available')
    snapshot = client.ready_snapshot(volume['id'])
    name = uuid.uuid4().hex
    created = client.post('types', {'volume_type': {
        'name': name, 'extra_specs': {'volume_backend_name': 'mars'}}})['volume_type']
    client.wait_for_status('volume', other['id'], 'available')
    return {'volume': volume['id'], 'snapshot': snapshot['id'], 'other': other['id'],
            'type': name, 'type_id': created['id'], 'project': client.project,
            'host': client.show('volume', volume['id'])['os-vol-host-attr:host']}


def unplaceable_and_unmanageable(client, things):
    """Mistakes that are found after the answer; returns when they are."""
    made = [('volume', client.create_volume(volume_type=things['type'])['id'])]
    for ref in ({'source-name': 'not-there'}, {'bad': 'x'}):
        made.append(('volume', client.post('manageable_volumes', {'volume': {
            'host': things['host'], 'ref': ref}})['volume']['id']))
    made.append(('snapshot', client.post('manageable_snapshots', {'snapshot': {
        'volume_id': things['volume'], 'ref': {'source-name': 'not-there'}}})['snapshot']['id']))
    for kind, identity in made:
        wait_until(lambda kind=kind, identity=identity: 'error' in client.show(
            kind, identity)['status'], 30, f'{kind} {identity} to fail')


def test_what_users_do_wrong_is_no_error_and_is_told_once(suite, client, things):
    log = Log(suite)
    unplaceable_and_unmanageable(client, things)
    for method, path, *rest in MISTAKES:
        answer = client.request(method, fill(path, things), *(fill(each, things)
                                                              for each in rest))
        assert 400 <= answer.status < 500, f'{method} {path} {rest}: {answer}'
    found = [PREFIX.match(line) for line in log.lines()]
    assert len(found) > 2 * len(MISTAKES)
    # Lines without a prefix would be those of a traceback that nobody logged.
    assert all(found)
    assert [line[0] for line in found if line['level'] in ('ERROR', 'CRITICAL')] == []
    assert 'Traceback' not in log.text()
    assert [line[0] for line in found if doubled(line['message'])] == []


def test_a_path_is_logged_as_it_was_sent_but_for_secrets(suite, client):
    log = Log(suite)
    sent = 'volumes/%41%0aERROR%20%C3%A9?name=%0d%0a&auth_token=SESAME&sort_key=id'
    assert client.request('GET', sent).status == 404
    logged = f'GET /v3/{client.project}/{sent.replace("SESAME", "***")}'
    wait_until(lambda: log.text().count(logged) == 2, 10, lambda: f'{logged} in {log.text()}')
    assert 'SESAME' not in log.text()


def test_a_placement_is_one_short_line(suite, client):
    log = Log(suite)
    volume = client.ready_volume()
    lines = [line for line in log.lines() if f'Volume {volume["id"]} goes to ' in line]
    assert len(lines) == 1 and ' INFO ' in lines[0] and lines[0].endswith(' pools fit.')


def test_nothing_is_said_twice_at_start(suite):
    for process in suite.processes.values():
        # The API is not up before somebody asks, and other tests start daemons again.
        begin = re.split(r' is up\.|"GET ', process.log.read_text(), maxsplit=1)[0].splitlines()
        messages = [found['message'] for found in map(PREFIX.match, begin) if found
                    # One for each request that asks whether it is up.
                    and found['logger'] != 'eventlet.wsgi.server'
                    and not found['logger'].startswith(NOTIFICATIONS)]
        assert messages and len(messages) == len(set(messages)), messages
        assert [message for message in messages if doubled(message)] == []
