# SPDX-License-Identifier: Apache-2.0
"""The whole service in one process (cinder-all) on a thin pool, driven over REST: bytes are written
and read by the kernel's initiator, and the process is killed in the middle of the work."""
import contextlib
import hashlib
import os

import pytest

from tests.functional.client import CUT_OFF
from tests.functional.suite import BACKEND, Node, Suite
from tests.functional.tgt import Tgtd
from tests.lvm import group, initiator

MIB = 1024 ** 2
GIB = 1024 ** 3
# The processor of a guest is slow, and shared.
PATIENCE = 180


@pytest.fixture(scope='module')
def suite(tmp_path_factory):
    group.make()
    folder = tmp_path_factory.mktemp('service')
    with contextlib.ExitStack() as stack:
        stack.enter_context(initiator.running(folder))
        tgtd = Tgtd(folder / 'tgt')
        tgtd.start()
        stack.callback(tgtd.stop)
        suite = Suite(
            folder / 'suite', f'sqlite:///{folder}/cinder.sqlite', 'fake:/', tgtd,
            [Node('node1', ('all',))], {
                'DEFAULT': {'service_down_time': PATIENCE, 'report_interval': 5},
                BACKEND: {'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver',
                          'volume_group': group.NAME, 'lvm_type': 'thin'}})
        stack.callback(suite.stop)
        suite.manage('db', 'sync')
        suite.processes['all'].start()
        suite.wait_ready(PATIENCE)
        yield suite


@pytest.fixture
def client(suite):
    return suite.client(timeout=PATIENCE)


@contextlib.contextmanager
def attached(client, volume_id):
    """Attach over the API and log in; yields the block device."""
    attachment = client.post('attachments', {'attachment': {
        'volume_uuid': volume_id, 'connector': initiator.CONNECTOR}})['attachment']
    try:
        with initiator.attached(attachment['connection_info']) as device:
            client.post(f'attachments/{attachment["id"]}/action', {'os-complete': {}}, expect=204)
            yield device
    finally:
        client.delete(f'attachments/{attachment["id"]}')


def content(client, volume_id, length=MIB):
    with attached(client, volume_id) as device:
        return hashlib.sha256(initiator.read(device, length)).hexdigest()


def ready(client, **fields):
    return client.ready_volume(seconds=PATIENCE, **fields)['id']


def delete(client, kind, identity):
    client.delete(f'{kind}s/{identity}', expect=202)
    client.wait_gone(kind, identity, PATIENCE)


def test_the_life_of_volumes(client):
    one, two = os.urandom(MIB), os.urandom(MIB)
    first, second = (hashlib.sha256(data).hexdigest() for data in (one, two))
    volume = ready(client)
    with attached(client, volume) as device:
        initiator.write(device, one)
        assert client.show('volume', volume)['status'] == 'in-use'
        snapshot = client.create_snapshot(volume, force=True)['id']
        client.wait_for_status('snapshot', snapshot, 'available', PATIENCE)
        initiator.write(device, two)
    clone = ready(client, source_volid=volume)
    copy = ready(client, size=2, snapshot_id=snapshot)
    assert content(client, clone) == second
    assert content(client, copy) == first
    client.action(volume, 'os-extend', {'new_size': 3}, expect=202)
    client.wait_for_status('volume', volume, 'available', PATIENCE)
    with attached(client, volume) as device, open(device, 'rb') as whole:
        assert whole.seek(0, os.SEEK_END) == 3 * GIB
    delete(client, 'snapshot', snapshot)
    for identity in (volume, copy, clone):
        delete(client, 'volume', identity)
    assert group.volumes_of_group() == {}


def test_what_is_attached_goes_on_while_the_service_is_killed_in_a_create(suite, client):
    kept, sample = ready(client), os.urandom(MIB)
    with attached(client, kept) as device:
        initiator.write(device, sample)
        with (suite.killed_at('volume.create:driver:after', PATIENCE),
              contextlib.suppress(*CUT_OFF)):
            client.create_volume(1, name='half')
        # The target daemon is not ours: with our service dead, bytes still come and go.
        assert initiator.read(device, MIB) == sample
        suite.restart('all')
        suite.wait_ready(PATIENCE)
        half, = client.find('volume', 'half')
        client.wait_for_status('volume', half['id'], 'available', PATIENCE)
        initiator.write(device, sample[::-1])
    assert content(client, kept) == hashlib.sha256(sample[::-1]).hexdigest()
    assert group.volumes_of_group().keys() == {f'volume-{kept}', f'volume-{half["id"]}'}
    for identity in (kept, half['id']):
        delete(client, 'volume', identity)
    assert group.volumes_of_group() == {}
