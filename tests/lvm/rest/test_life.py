# SPDX-License-Identifier: Apache-2.0
"""The life of volumes of both kinds: bytes are written and read by the kernel's initiator, with a
checksum at each step."""
import os

import pytest

from tests.functional.processes import wait_until
from tests.lvm import group, initiator, kernel_target, service
from tests.lvm.service import (
    GIB,
    MIB,
    SECOND,
    THICK,
    TIMEOUT_SECONDS,
    attached,
    content,
    delete,
    digest,
    ready,
    size_of,
)

KINDS = pytest.mark.parametrize('kind', [group.NAME, THICK])


@KINDS
def test_the_life_of_volumes(client, kind):
    one, two = os.urandom(MIB), os.urandom(MIB)
    volume = ready(client, volume_type=kind)
    with attached(client, volume) as device:
        assert initiator.read(device, MIB) == bytes(MIB)
        initiator.write(device, one)
        assert client.show('volume', volume)['status'] == 'in-use'
        snapshot = service.snapshot(client, volume, force=True)
        initiator.write(device, two)
        assert digest(initiator.read(device, MIB)) == digest(two)
    clone = ready(client, volume_type=kind, source_volid=volume)
    copy = ready(client, 2, volume_type=kind, snapshot_id=snapshot)
    assert content(client, clone) == digest(two)
    with attached(client, copy) as device:
        assert size_of(device) == 2 * GIB
        assert digest(initiator.read(device, MIB)) == digest(one)
    client.action(volume, 'revert', {'snapshot_id': snapshot}, expect=202)
    client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)
    client.wait_for_status('snapshot', snapshot, 'available', TIMEOUT_SECONDS)
    assert content(client, volume) == digest(one)
    # The snapshot can be used again.
    initiator.write(service.device(volume, kind), two)
    assert service.stored_snapshot(snapshot, kind) == digest(one)
    client.action(volume, 'os-extend', {'new_size': 2}, expect=202)
    assert client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)['size'] == 2
    assert service.stored(volume, vg=kind) == digest(two)
    assert service.stored_snapshot(snapshot, kind) == digest(one)
    delete(client, 'snapshot', snapshot)
    delete(client, 'volume', volume)
    # A source may go while its clones live.
    assert service.stored(copy, vg=kind) == digest(one)
    assert service.stored(clone, vg=kind) == digest(two)
    delete(client, 'volume', copy, clone)


def extend(client, volume, size):
    """While it is attached."""
    client.action(volume, 'os-extend', {'new_size': size}, expect=202)
    assert client.wait_for_status('volume', volume, 'in-use', TIMEOUT_SECONDS)['size'] == size


@KINDS
def test_a_volume_grows_while_it_is_attached(client, kind):
    """tgtd shows the new size to the next attachment, and cuts nobody off for it."""
    volume, sample = ready(client, volume_type=kind), os.urandom(MIB)
    with attached(client, volume) as device:
        initiator.write(device, sample)
        extend(client, volume, 2)
        assert digest(initiator.read(device, MIB)) == digest(sample)
    with attached(client, volume) as device:
        assert size_of(device) == 2 * GIB
        assert digest(initiator.read(device, MIB)) == digest(sample)
    delete(client, 'volume', volume)


def test_an_initiator_sees_the_new_size_when_it_looks_again(client):
    """The kernel's target shows the new size at once."""
    if not kernel_target.ready():
        pytest.skip(f'needs the kernel modules {" ".join(kernel_target.MODULES)}')
    volume, sample = ready(client, volume_type=SECOND), os.urandom(MIB)
    with attached(client, volume) as device:
        initiator.write(device, sample)
        extend(client, volume, 2)
        initiator.iscsiadm('-m', 'session', '-R')
        wait_until(lambda: size_of(device) == 2 * GIB, 30, 'the new size')
        assert digest(initiator.read(device, MIB)) == digest(sample)
        with open(device, 'r+b', buffering=0) as opened:
            opened.seek(2 * GIB - MIB)
            assert opened.write(sample) == MIB
    delete(client, 'volume', volume)


def test_a_volume_moves_between_groups_and_kinds_and_back(client):
    """Thin to thin, to thick by its type, and to thin again."""
    samples = {0: os.urandom(MIB), 700 * MIB: os.urandom(MIB)}
    client.post('types', {'volume_type': {'name': 'thin', 'extra_specs': {
        'thin_provisioning_support': '<is> True'}}})
    volume = ready(client, volume_type='thin')
    with attached(client, volume) as device:
        write(device, samples)
    host = client.show('volume', volume)['os-vol-host-attr:host']
    there = SECOND if host.endswith(f'#{group.NAME}') else group.NAME
    client.action(volume, 'os-migrate_volume', {'host': f'node1@{there}#{there}'}, expect=202)
    shown = service.moved(client, volume, there)
    with attached(client, volume) as device:
        check(device, samples)
    for kind in (THICK, group.NAME):
        former = service.name_id(shown)
        client.action(volume, 'os-retype', {'new_type': kind, 'migration_policy': 'on-demand'},
                      expect=202)
        shown = service.moved(client, volume, kind, former)
        assert shown['volume_type'] == kind
        with attached(client, volume) as device:
            check(device, samples)
        # Nothing is left of it but what it is now.
        assert {name for name in service.logical_volumes()
                if volume in name or former in name or service.name_id(shown) in name} == {
                    f'volume-{service.name_id(shown)}'}
    delete(client, 'volume', volume)


def write(device, samples):
    with open(device, 'r+b', buffering=0) as opened:
        for offset, data in samples.items():
            opened.seek(offset)
            assert opened.write(data) == len(data)
        os.fsync(opened.fileno())


def check(device, samples):
    with open(device, 'rb') as opened:
        for offset, data in samples.items():
            opened.seek(offset)
            assert digest(opened.read(len(data))) == digest(data), offset
        # Where nothing was written there are zeros, also on disks that others used.
        opened.seek(max(samples) + MIB)
        assert not any(opened.read(MIB))
