# SPDX-License-Identifier: Apache-2.0
"""Locks that are lost while work is done under them, as the lock service or the process stood still
for longer than a lease: the work stops before its next change, and is done again."""

import os
import signal
import time

import pytest

from tests.functional import etcd, storage
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.test_paused import is_stopped

# A copy of so many bytes takes longer than it takes to lose its lock.
MIB = 24
STOPS = 'stops and is released to the journal'
POINT = 'volume.create:driver:before'


class Cluster(etcd.Cluster):
    def _fault_points(self):
        return [f'{POINT}=stop@{self.flags / POINT}']


@pytest.fixture(scope='module')
def cluster(installation, postgresql, lock_service):
    with installation('leases', postgresql.url('leases'), kind=Cluster, nodes=etcd.HOSTS,
                      etcd=lock_service, options={'DEFAULT': {'operation_lease': 5}}) as suite:
        yield suite


def test_a_copy_stops_when_the_lock_service_was_silent_for_a_lease(cluster, lock_service):
    client = cluster.client()
    source = client.ready_volume()
    content = os.urandom(MIB * 2 ** 20)
    with storage.attached(client, source['id']) as device:
        device.write(content)
    copy = client.create_volume(1, source_volid=source['id'])
    wait_until(lambda: parts(cluster), 10, 'the copy to begin')
    lock_service.pause()
    try:
        silent = time.monotonic()
        wait_until(lambda: cluster.said(STOPS), cluster.LEASE + 5, cluster.tails)
        stopped = time.monotonic() - silent
        # It is not failed, and nothing is left of it; what needs a lock is told to come again.
        assert client.get(f'volumes/{copy["id"]}')['volume']['status'] == 'creating'
        wait_until(lambda: not parts(cluster), 2, 'the half copy to go')
        answer = client.request('POST', 'attachments', {'attachment': {
            'volume_uuid': source['id'], 'connector': storage.CONNECTOR}})
        assert answer.status == 503, answer
    finally:
        lock_service.resume()
    # Not before the lease was over: a short silence costs nothing.
    assert stopped > cluster.LEASE / 2
    client.wait_for_status('volume', copy['id'], 'available', seconds=60)
    with storage.attached(client, copy['id']) as device:
        assert device.read(MIB) == content
    for row in client.get('attachments')['attachments']:
        client.delete(f'attachments/{row["id"]}')
    Oracle(cluster).check()


def parts(cluster):
    """The files that are being filled."""
    return list(cluster.volumes.glob('*.part'))


def test_who_was_stopped_for_longer_than_a_lease_makes_nothing_more(cluster):
    """Another host made the volume meanwhile, and removed it again."""
    client = cluster.client()
    (cluster.flags / POINT).touch()
    volume = client.create_volume(1)
    asleep = wait_until(lambda: [pid for pid in cluster.pids() if is_stopped(pid)], 10,
                        'a process to stop')
    before = cluster.said('another process may hold it')
    try:
        client.wait_for_status('volume', volume['id'], 'available', seconds=30)
        client.delete(f'volumes/{volume["id"]}', expect=202)
        client.wait_gone('volume', volume['id'])
    finally:
        os.kill(asleep[0], signal.SIGCONT)
    wait_until(lambda: cluster.said('another process may hold it') > before, 10, cluster.tails)
    time.sleep(1)
    assert list(cluster.volumes.glob(f'*{volume["id"]}*')) == []
    Oracle(cluster).check()
    # It works again, with locks of another connection.
    for _time in range(4):
        client.ready_volume()
