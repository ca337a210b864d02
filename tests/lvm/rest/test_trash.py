# SPDX-License-Identifier: Apache-2.0
"""A thick group that the trash has filled: what needs space, for itself or for the snapshot that it
is copied from, gets as much of the trash as it needs, oldest first."""
import os
import uuid

import pytest

from tests.functional import crowd
from tests.functional.processes import wait_until
from tests.lvm import initiator, second_host, service
from tests.lvm.service import MIB, TIMEOUT_SECONDS, digest, filled, ready

HOST, NARROW = 'node3', 'narrow'
# Four volumes of 1 GiB and what LVM keeps for itself, which is 1 MiB. A snapshot of a thick volume
# takes 5 MiB more than the volume, so one does not fit into the place of a volume by itself.
GROUP_MIB = 4 * 1024 + 16

pytestmark = pytest.mark.usefixtures('without_udev')


@pytest.fixture
def host(suite, tmp_path):
    with second_host.running(tmp_path / 'narrow', suite, HOST, {NARROW: GROUP_MIB}, {
            'delete_to_trash_hours': 1}, backend_stats_polling_interval=10,
            periodic_interval=2) as made:
        yield made


def kept(client):
    """The ids of what is in the trash."""
    return {each['id'] for each in client.get('trash?status=kept')['trash']}


def remove(client, kind, ident):
    """Delete it past the trash."""
    path = f'{kind}s/{ident}'
    client.post(f'{path}/action', {'os-force_delete': {}}, expect=202)
    client.wait_gone(kind, ident, TIMEOUT_SECONDS)


def test_thick_snapshots_get_the_space_of_the_trash(suite, host):
    client, data = suite.client(project=uuid.uuid4().hex), os.urandom(MIB)
    try:
        volume = filled(client, data, NARROW)
        trashed = [ready(client, volume_type=NARROW) for _number in range(3)]
        for number, each in enumerate(trashed, 1):
            service.delete(client, 'volume', each)
            wait_until(lambda number=number: len(kept(client)) == number, TIMEOUT_SECONDS,
                       f'{number} volumes in the trash')
        assert len(service.logical_volumes(NARROW)) == 4

        snapshot = service.snapshot(client, volume)
        assert kept(client) == set(trashed[1:])
        clone = ready(client, volume_type=NARROW, source_volid=volume)
        assert kept(client) == set()
        assert service.logical_volumes(NARROW) == {
            f'volume-{volume}', f'_snapshot-{snapshot}', f'volume-{clone}'}
        assert service.stored(clone, vg=NARROW) == digest(data)
        assert digest(initiator.read(f'/dev/{NARROW}/_snapshot-{snapshot}', MIB)) == digest(data)
        for kind, ident in (('snapshot', snapshot), ('volume', volume), ('volume', clone)):
            remove(client, kind, ident)
        assert service.logical_volumes(NARROW) == set()
    finally:
        host.kill()
        crowd.forget(suite, HOST, client)
