# SPDX-License-Identifier: Apache-2.0
"""What a volume shows and allows while it is backed up, and what remains of that when the backup or
the volume service is killed: the backup has the data of the moment of its request, and no snapshot
stays behind."""
import os

import pytest

from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import WITH_BACKUP, Node

SAMPLE = 1024 ** 2
# Where the service is killed, and whether the volume is attached then.
CASES = [('backup.create:write:before', True), ('backup.create:finish:before', False),
         ('snapshot.create:driver:after', True), ('snapshot.delete:driver:after', False)]


@pytest.fixture(scope='module')
def backups(installation, workspace, postgresql):
    """An installation with a backup service."""
    flags = workspace / 'backup-sources' / 'flags'
    points = ','.join(f'{point}=kill@{flags / point}' for point, _attached in CASES)
    with installation('backup-sources', postgresql.url('backup_sources'),
                      nodes=[Node('node1', WITH_BACKUP)],
                      options={'DEFAULT': {'fault_points': points}}) as suite:
        yield suite


@pytest.fixture
def client(backups):
    backups.ensure_running()
    return backups.client(project=os.urandom(16).hex())


def written(suite, volume_id, data=None):
    """Write the beginning of a volume, or read it."""
    descriptor = os.open(suite.volumes / f'volume-{volume_id}', os.O_RDWR)
    try:
        return os.pread(descriptor, SAMPLE, 0) if data is None else os.pwrite(descriptor, data, 0)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(('point', 'attached'), CASES)
def test_a_backup_under_way(backups, client, point, attached):
    before, after = os.urandom(SAMPLE), os.urandom(SAMPLE)
    volume = client.ready_volume()['id']
    written(backups, volume, before)
    if attached:
        connect(client, volume)
    status = 'in-use' if attached else 'available'
    with backups.killed_at(point, 60):
        body = {'volume_id': volume, 'force': attached}
        backup = client.post('backups', {'backup': body})['backup']['id']
        if not point.startswith('snapshot'):
            check_under_way(backups, client, volume, backup, status)
            written(backups, volume, after)
    backups.ensure_running()
    client.wait_for_status('backup', backup, 'available', 60)
    assert client.show('volume', volume)['status'] == status
    wait_until(lambda: client.get('snapshots')['snapshots'] == [], 60, 'no snapshot')
    restored = client.post(f'backups/{backup}/restore', {'restore': {}})['restore']['volume_id']
    client.wait_for_status('volume', restored, 'available', 60)
    assert written(backups, restored) == before
    disconnect(client, volume)
    for kind, ident in (('backup', backup), ('volume', restored), ('volume', volume)):
        client.delete(f'{kind}s/{ident}')
        client.wait_gone(kind, ident)
    Oracle(backups).check()


def connect(client, volume):
    connector = {'initiator': 'iqn.1994-05.com.example:host', 'ip': '127.0.0.1', 'host': 'host'}
    body = {'volume_uuid': volume, 'connector': connector}
    made = client.post('attachments', {'attachment': body})['attachment']['id']
    client.post(f'attachments/{made}/action', {'os-complete': {}})


def disconnect(client, volume):
    for attachment in client.get(f'attachments?volume_id={volume}')['attachments']:
        client.delete(f'attachments/{attachment["id"]}')


def check_under_way(suite, client, volume, backup, status):
    """What holds while the temporary snapshot is read, or the service that reads it is dead."""
    wait_until(lambda: [each['status'] for each in client.get('snapshots')['snapshots']]
               == ['available'], 60, 'the snapshot')
    if status == 'available':
        for how in ('force', 'cascade'):
            answer = client.request('DELETE', f'volumes/{volume}?{how}=true')
            assert answer.status == 400 and backup in str(answer), answer
    snapshot = client.get('snapshots')['snapshots'][0]['id']
    answer = client.request('POST', f'snapshots/{snapshot}/action', {'os-force_delete': {}})
    assert answer.status == 400 and backup in str(answer), answer
    assert client.show('volume', volume)['status'] == status
    if status == 'available':
        connect(client, volume)
        disconnect(client, volume)
        client.action(volume, 'os-extend', {'new_size': 2})
        wait_until(lambda: client.show('volume', volume)['size'] == 2, 60, 'the new size')
    assert client.show('volume', volume)['status'] == status
