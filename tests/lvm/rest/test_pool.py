# SPDX-License-Identifier: Apache-2.0
"""A thin pool that runs full, of data and of metadata: what was flushed stays, what is asked for is
refused with the reason, and more room brings everything back."""
import contextlib
import os
import pathlib

import pytest

from tests.functional.processes import wait_until
from tests.lvm import group, service
from tests.lvm.service import (
    MIB,
    SECOND,
    SECOND_POOL,
    SECOND_POOL_MIB,
    TIMEOUT_SECONDS,
    delete,
    digest,
    filled,
    ready,
)

CHUNK = 64 * 1024
POOL = f'{SECOND}/{SECOND_POOL}'
TARGET = f'{SECOND}-{SECOND_POOL.replace("-", "--")}-tpool'
# As the kernel waits for room before it fails writes; it would be a minute.
WAIT = pathlib.Path('/sys/module/dm_thin_pool/parameters/no_space_timeout')


@pytest.fixture(autouse=True)
def room_again():
    """The pool as it was, after the test."""
    before = WAIT.read_text()
    WAIT.write_text('3')
    yield
    WAIT.write_text(before)


def reports(client, words):
    """Wait until the back end says in its report that its pool takes nothing new."""
    def refusal():
        pools = client.get('scheduler-stats/get_pools?detail=true')['pools']
        mine, = (pool['capabilities'] for pool in pools if f'@{SECOND}#' in pool['name'])
        return mine.get('pool_refusal') or ''
    wait_until(lambda: words in refusal() if words else not refusal(), 120,
               lambda: f'{words!r} in the report, not {refusal()!r}', pause=0.5)


def refused(client, volume, words):
    """A snapshot, for which no other back end could be asked, says why it is not there."""
    snapshot = client.create_snapshot(volume)['id']
    wait_until(lambda: client.show('snapshot', snapshot)['status'] == 'error', TIMEOUT_SECONDS,
               'the snapshot to be refused', pause=0.2)
    said = client.messages(snapshot)[0]['user_message']
    assert words in said, said
    delete(client, 'snapshot', snapshot)


def works_again(client, volume, data):
    """Its bytes are there, they can be written and a snapshot can be taken."""
    assert service.stored(volume, len(data), SECOND) == digest(data)
    snapshot = service.snapshot(client, volume)
    with opened(volume, os.O_SYNC) as device:
        assert os.pwrite(device, os.urandom(MIB), 0) == MIB
    assert service.stored_snapshot(snapshot, SECOND, len(data)) == digest(data)
    delete(client, 'snapshot', snapshot)
    delete(client, 'volume', ready(client, volume_type=SECOND))


@contextlib.contextmanager
def opened(volume, flags=0):
    """Its logical volume, as a file descriptor."""
    device = os.open(service.device(volume, SECOND), os.O_RDWR | flags)
    try:
        yield device
    finally:
        os.close(device)


def test_a_pool_without_room_for_data(client):
    data, written = os.urandom(4 * MIB), 0
    volume, other = filled(client, data, SECOND), ready(client, volume_type=SECOND)
    # Each write is on the disk when it returns.
    with opened(other, os.O_SYNC) as device, pytest.raises(OSError):
        for written in range(SECOND_POOL_MIB):
            os.pwrite(device, data[:MIB], written * MIB)
    assert written > SECOND_POOL_MIB - 8
    assert service.stored(volume, len(data), SECOND) == digest(data)
    reports(client, 'no free data space')
    refused(client, volume, 'no free data space')
    assert service.stored(volume, len(data), SECOND) == digest(data)
    # All that was acknowledged, of the volume that filled it too.
    with opened(other) as device:
        for each in range(0, written, 16):
            assert os.pread(device, MIB, each * MIB) == data[:MIB]
    group.run('lvextend', '-qq', '-L', '+64m', POOL)
    reports(client, '')
    works_again(client, volume, data)
    delete(client, 'volume', volume, other)


def test_a_pool_without_room_for_metadata(client):
    data = os.urandom(4 * MIB)
    volume, other = filled(client, data, SECOND), ready(client, volume_type=SECOND)
    origin, hidden = thin_id(other), []
    try:
        with opened(other) as device, pytest.raises((OSError, AssertionError)):
            for number in range(128):
                os.pwrite(device, data[:MIB], number * MIB)
            # Snapshots that LVM knows nothing of, and a write to each part of the table of blocks.
            for number in range(10000, 10100):
                message(f'create_snap {number} {origin}')
                hidden.append(number)
                for start in range(0, 128 * MIB, 8 * MIB):
                    os.pwrite(device, data[:CHUNK], start)
                os.fsync(device)
        assert ' ro ' in group.run('dmsetup', 'status', TARGET)
        assert service.stored(volume, len(data), SECOND) == digest(data)
        reports(client, 'metadata')
        refused(client, volume, 'metadata')
        assert service.stored(volume, len(data), SECOND) == digest(data)
        group.run('lvextend', '-qq', '--poolmetadatasize', '+4m', POOL)
        reports(client, '')
    finally:
        for number in hidden:
            # The last ones went with the transaction that had no room.
            with contextlib.suppress(AssertionError):
                message(f'delete {number}')
    works_again(client, volume, data)
    delete(client, 'volume', volume, other)


def message(text):
    group.run('dmsetup', 'message', TARGET, '0', text)


def thin_id(volume):
    return group.run('lvs', '--noheadings', '-o', 'thin_id',
                     f'{SECOND}/volume-{volume}').strip()
