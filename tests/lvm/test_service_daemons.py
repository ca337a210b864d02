# SPDX-License-Identifier: Apache-2.0
"""Three daemons on two thin pools, driven over REST: bytes are written and read by the kernel's
initiator. test_service.py has what one process and one pool are enough for.

LVM_LAB_FULL=1 in the environment kills the back end at every fault point of every operation, and
asks for 50 volumes at once instead of 10.
"""
import concurrent.futures
import contextlib
import os

import pytest

from tests.functional.client import CUT_OFF
from tests.functional.processes import wait_until
from tests.lvm import group, initiator, service
from tests.lvm.service import GIB, MIB, PATIENCE, attached, content, delete, digest, ready

FULL = 'LVM_LAB_FULL' in os.environ
AT_ONCE = 50 if FULL else 10
POINTS = [f'{step}:{when}' for step in service.STEPS for when in ('before', 'after')
          ]


@pytest.fixture(scope='module')
def suite(tmp_path_factory):
    with service.running(tmp_path_factory.mktemp('service')) as suite:
        yield suite


@pytest.fixture
def client(suite):
    return suite.client(timeout=PATIENCE)


@pytest.fixture(autouse=True)
def at_peace(suite):
    """After each test everything fits together again, and nothing is left of it."""
    suite.wait_ready(PATIENCE)
    before = service.logical_volumes()
    yield
    service.Oracle(suite).check(PATIENCE)
    assert service.logical_volumes() == before


def test_the_life_of_volumes(client):
    one, two = os.urandom(MIB), os.urandom(MIB)
    volume = ready(client)
    with attached(client, volume) as device:
        assert initiator.read(device, MIB) == bytes(MIB)
        initiator.write(device, one)
        assert client.show('volume', volume)['status'] == 'in-use'
        snapshot = service.snapshot(client, volume, force=True)
        initiator.write(device, two)
        client.action(volume, 'os-extend', {'new_size': 2}, expect=202)
        client.wait_for_status('volume', volume, 'in-use', PATIENCE)
        # What is attached goes on; tgtd shows the new size to the next attachment.
        assert digest(initiator.read(device, MIB)) == digest(two)
    clone = ready(client, size=2, source_volid=volume)
    copy = ready(client, size=3, snapshot_id=snapshot)
    assert service.stored(clone) == digest(two)
    assert service.stored(copy) == digest(one)
    client.action(clone, 'os-extend', {'new_size': 3}, expect=202)
    client.wait_for_status('volume', clone, 'available', PATIENCE)
    with attached(client, clone) as device, open(device, 'rb') as whole:
        assert whole.seek(0, os.SEEK_END) == 3 * GIB
        assert digest(initiator.read(device, MIB)) == digest(two)
    # A source and its snapshot may go while their clones live.
    delete(client, 'snapshot', snapshot)
    delete(client, 'volume', volume)
    assert content(client, copy) == digest(one)
    delete(client, 'volume', copy, clone)


def test_nobody_reads_what_a_former_tenant_wrote(suite, client):
    secret = os.urandom(512) * 2048
    volume = service.filled(client, secret)
    snapshot = service.snapshot(client, volume)
    delete(client, 'snapshot', snapshot)
    delete(client, 'volume', volume)
    other = ready(suite.client(project='f' * 32, timeout=PATIENCE))
    # All that the pool gave away is the first it gives again.
    with open(f'/dev/{group.NAME}/volume-{other}', 'r+b', buffering=0) as device:
        device.seek(64 * 1024)
        device.write(b'x')
        device.seek(0)
        assert device.read(MIB).strip(b'\0') == b'x'
    delete(client, 'volume', other)


class Case:
    """A request that is interrupted: what it needs, what it is, how to tell that it was done."""

    def __init__(self, client, name):
        self.client, self.name = client, name
        self.data = os.urandom(MIB)
        self.volume = service.filled(client, self.data)
        self.snapshot = service.snapshot(client, self.volume)

    def clean(self):
        delete(self.client, 'volume', *(volume['id'] for volume in
                                        self.client.find('volume', self.name)))
        for snapshot in self.client.get(f'snapshots?volume_id={self.volume}')['snapshots']:
            delete(self.client, 'snapshot', snapshot['id'])
        delete(self.client, 'volume', self.volume)

    def made(self, kind):
        """The only one of that name, when it is there."""
        found, = self.client.find(kind, self.name)
        return self.client.wait_for_status(kind, found['id'], 'available', PATIENCE)['id']

    def create(self):
        self.client.create_volume(1, name=self.name, volume_type=group.NAME)
        yield
        assert service.stored(self.made('volume')) == digest(bytes(MIB))

    def clone(self):
        self.client.create_volume(1, name=self.name, source_volid=self.volume)
        yield
        assert service.stored(self.made('volume')) == digest(self.data)

    def from_snapshot(self):
        self.client.create_volume(2, name=self.name, snapshot_id=self.snapshot)
        yield
        assert service.stored(self.made('volume')) == digest(self.data)

    def delete(self):
        self.other = ready(self.client, source_volid=self.volume)
        self.client.delete(f'volumes/{self.other}', expect=202)
        yield
        self.client.wait_gone('volume', self.other, PATIENCE)

    def extend(self):
        self.client.action(self.volume, 'os-extend', {'new_size': 2}, expect=202)
        yield
        self.client.wait_for_status('volume', self.volume, 'available', PATIENCE)
        with open(f'/dev/{group.NAME}/volume-{self.volume}', 'rb') as device:
            assert device.seek(0, os.SEEK_END) == 2 * GIB
        assert service.stored(self.volume) == digest(self.data)

    def revert(self):
        initiator.write(f'/dev/{group.NAME}/volume-{self.volume}', bytes(MIB))
        self.client.action(self.volume, 'revert', {'snapshot_id': self.snapshot}, expect=202)
        yield
        self.client.wait_for_status('volume', self.volume, 'available', PATIENCE)
        assert service.stored(self.volume) == digest(self.data)
        self.client.wait_for_status('snapshot', self.snapshot, 'available', PATIENCE)

    def snapshot_create(self):
        self.client.create_snapshot(self.volume, name=self.name)
        yield
        self.made('snapshot')

    def snapshot_delete(self):
        self.client.delete(f'snapshots/{self.snapshot}', expect=202)
        yield
        self.client.wait_gone('snapshot', self.snapshot, PATIENCE)


CASES = {'create': 'volume.create', 'clone': 'volume.create', 'from_snapshot': 'volume.create',
         'delete': 'volume.delete', 'extend': 'volume.extend', 'revert': 'volume.revert',
         'snapshot_create': 'snapshot.create', 'snapshot_delete': 'snapshot.delete'}


@pytest.mark.skipif(not FULL, reason='takes a guest minutes for each point: LVM_LAB_FULL=1')
@pytest.mark.parametrize('point', POINTS)
def test_killed_in_each_operation(suite, client, point):
    """kill -9 of the back end's process; its parent starts another. Meanwhile somebody writes."""
    kept, sample = ready(client), os.urandom(MIB)
    with attached(client, kept) as device:
        initiator.write(device, sample)
        for name, verb in CASES.items():
            case = Case(client, f'{name}-{point}')
            steps = getattr(case, name)()
            with (suite.killed_at(f'{verb}:{point}', PATIENCE), contextlib.suppress(*CUT_OFF)):
                next(steps)
            # The target daemon is not ours: with our service dead, bytes still come and go.
            assert initiator.read(device, MIB) == sample, name
            next(steps, None)
            case.clean()
        initiator.write(device, sample[::-1])
    assert service.stored(kept) == digest(sample[::-1])
    delete(client, 'volume', kept)


def test_many_at_once(client):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda _number: client.create_volume(
            1, volume_type=group.NAME)['id'], range(AT_ONCE)))
        for volume in made:
            client.wait_for_status('volume', volume, 'available', PATIENCE)
        assert service.logical_volumes() >= {f'volume-{volume}' for volume in made}
        list(pool.map(lambda volume: client.delete(f'volumes/{volume}', expect=202), made))
        for volume in made:
            client.wait_gone('volume', volume, PATIENCE)


def test_a_device_that_is_held_open_is_refused_and_goes_after_its_release(client):
    data = os.urandom(MIB)
    volume = service.filled(client, data)
    with open(f'/dev/{group.NAME}/volume-{volume}', 'rb'):
        client.delete(f'volumes/{volume}', expect=202)
        wait_until(lambda: client.messages(volume), PATIENCE, 'a message', pause=0.5)
        client.wait_for_status('volume', volume, 'available', PATIENCE)
        assert 'busy' in client.messages(volume)[0]['user_message']
    assert service.stored(volume) == digest(data)
    delete(client, 'volume', volume)
