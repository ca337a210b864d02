# SPDX-License-Identifier: Apache-2.0
"""What goes wrong below the service: a target daemon that dies, a volume group that is away,
a device that somebody holds open; and many requests at once."""
import concurrent.futures
import contextlib
import os

from tests.functional.processes import wait_until
from tests.lvm import group, initiator, service
from tests.lvm.service import (
    MIB,
    SECOND,
    TIMEOUT_SECONDS,
    attached,
    delete,
    digest,
    filled,
    ready,
)

AT_ONCE = 50
# The word of its answer to a request that cannot be met.
AWAY = 'away'


def test_exports_come_back_when_the_target_daemon_dies(suite, client, witness):
    """By themselves, with the same secrets; then sessions go on, and others cut none of them off.
    """
    sample, volume = os.urandom(MIB), ready(client)
    with attached(client, volume) as device:
        initiator.write(device, sample)
        suite.tgtd.kill9()
        suite.tgtd.start()
        # Looked for each 20 seconds.
        wait_until(lambda: {volume, witness.volume} <= service.exports(suite), 90, 'the exports',
                   pause=0.5)
        for each in (device, witness.device):
            initiator.recover(each)
        assert digest(initiator.read(device, MIB)) == digest(sample)
        witness.check()
        # What comes and goes now cuts nobody off.
        other, sessions = ready(client), initiator.sessions()
        with attached(client, other) as another:
            initiator.write(another, sample)
        assert initiator.sessions() == sessions
        initiator.write(device, sample[::-1])
        witness.check()
    assert service.stored(volume) == digest(sample[::-1])
    assert service.stored(other) == digest(sample)
    delete(client, 'volume', volume, other)


def test_a_group_that_is_away_and_comes_back(suite, client):
    backend = ('cinder-volume', f'node1@{SECOND}')
    sample, volume = os.urandom(MIB), ready(client, volume_type=SECOND)
    with attached(client, volume) as device:
        initiator.write(device, sample)
        with away(SECOND):
            wait_until(lambda: backend not in suite.up(), 60, 'the back end to be down', pause=0.5)
            assert {('cinder-volume', f'node1@{name}') for name in service.BACKENDS} - {
                backend} <= suite.up()
            wait_until(lambda: f'Back end node1@{SECOND} is down:' in log(suite), 30, 'the reason')
            assert f'Volume group "{SECOND}" not found' in log(suite).partition(
                f'Back end node1@{SECOND} is down:')[2].partition('\n')[0]
            # Nothing else fits the type, and whoever asked is told.
            refused = client.create_volume(1, volume_type=SECOND)['id']
            wait_until(lambda: client.show('volume', refused)['status'] == 'error', TIMEOUT_SECONDS,
                       'the request to be refused', pause=0.2)
            said = client.messages(refused)[0]['user_message']
            assert 'No storage back end can take the volume' in said
            # What exists waits for its group.
            snapshot = client.create_snapshot(volume, force=True)['id']
            initiator.write(device, sample[::-1])
        wait_until(lambda: backend in suite.up(), 60, 'the back end to be up', pause=0.5)
        client.wait_for_status('snapshot', snapshot, 'available', TIMEOUT_SECONDS)
        assert digest(initiator.read(device, MIB)) == digest(sample[::-1])
    assert service.stored_snapshot(snapshot, SECOND) == digest(sample[::-1])
    delete(client, 'snapshot', snapshot)
    delete(client, 'volume', volume, refused)


@contextlib.contextmanager
def away(name):
    group.run('vgrename', '-qq', name, AWAY)
    try:
        yield
    finally:
        group.run('vgrename', '-qq', AWAY, name)


def log(suite):
    return suite.processes['volume'].log.read_text(errors='replace')


def test_a_device_that_is_held_open_is_refused_and_goes_after_its_release(client):
    data = os.urandom(MIB)
    volume = filled(client, data)
    with open(service.device(volume), 'rb'):
        client.delete(f'volumes/{volume}', expect=202)
        wait_until(lambda: client.messages(volume), TIMEOUT_SECONDS, 'a message', pause=0.5)
        client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)
        assert 'busy' in client.messages(volume)[0]['user_message']
    assert service.stored(volume) == digest(data)
    delete(client, 'volume', volume)


def test_many_at_once(client):
    def settled(status):
        """Whether all are in a status; one request, as they are many."""
        found = {each['status'] for each in client.get('volumes/detail?name=one%20of%20many')[
            'volumes']}
        assert found <= {status, 'creating', 'deleting'}
        return found <= {status}

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(lambda _number: client.create_volume(
            1, volume_type=group.NAME, name='one of many')['id'], range(AT_ONCE)))
        wait_until(lambda: settled('available'), TIMEOUT_SECONDS, 'all to be made', pause=1)
        assert service.logical_volumes() >= {f'volume-{volume}' for volume in made}
        list(pool.map(lambda volume: client.delete(f'volumes/{volume}', expect=202), made))
        wait_until(lambda: settled(None), TIMEOUT_SECONDS, 'all to be gone', pause=1)
