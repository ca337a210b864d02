# SPDX-License-Identifier: Apache-2.0
"""What is planted behind the service's back: the doctor finds it, the next start heals what is
safe, the rest is left to people. And what former tenants left: nobody reads it."""
import os
import re
import subprocess
import uuid

import pytest

from tests.lvm import group, initiator, service
from tests.lvm.service import (
    GIB,
    MIB,
    THICK,
    attached,
    delete,
    digest,
    filled,
    ready,
)

SECRET = os.urandom(512)


def tgtadm(suite, *words):
    subprocess.run(['tgtadm', '--lld', 'iscsi', *words], env=suite.environment(), check=True,
                   capture_output=True)


def test_the_doctor_finds_what_is_planted_and_a_start_heals_only_what_is_safe(
        suite, client, witness):
    data, orphan = os.urandom(MIB), f'volume-{uuid.uuid4()}'
    lost, exported = ready(client), filled(client, data)
    group.run('lvremove', '-qq', '-f', f'{group.NAME}/volume-{lost}')
    group.run('lvcreate', '-qq', '-T', f'{group.NAME}/{group.POOL}', '-V', '1g', '-n', orphan)
    initiator.write(f'/dev/{group.NAME}/{orphan}', data)
    tgtadm(suite, '--mode', 'target', '--op', 'new', '--tid', '4711', '--targetname',
           f'iqn.2010-10.org.openstack:volume-{exported}')
    unsafe = {('orphan', orphan), ('missing', f'volume-{lost}')}
    assert service.doctor(suite) == unsafe | {('export', f'volume-{exported}')}
    with service.restarting(suite):
        witness.check()
    assert service.doctor(suite) == unsafe
    assert digest(initiator.read(f'/dev/{group.NAME}/{orphan}', MIB)) == digest(data)
    # Neither stands in the way of the others, nor of being taken away.
    with attached(client, exported) as device:
        assert digest(initiator.read(device, MIB)) == digest(data)
    delete(client, 'volume', lost, exported)
    group.run('lvremove', '-qq', '-f', f'{group.NAME}/{orphan}')


@pytest.mark.parametrize(('kind', 'size'), [(group.NAME, 1), (THICK, 3)])
def test_nobody_reads_what_a_former_tenant_wrote(suite, client, kind, size):
    """In his volume, and in a snapshot's store of what was overwritten."""
    volume = ready(client, volume_type=kind)
    write_secret(kind, volume)
    snapshot = service.snapshot(client, volume)
    write_secret(kind, volume)
    former = extents(kind)
    delete(client, 'snapshot', snapshot)
    delete(client, 'volume', volume)
    other = suite.client(project='f' * 32)
    made = ready(other, size, volume_type=kind)
    with open(service.device(made, kind), 'r+b', buffering=0) as device:
        if kind == THICK:
            # What was given away is the first to be given again.
            assert former <= extents(kind)
        else:
            # Likewise, but only when it is written: some bytes in each block.
            for start in range(0, 8 * MIB, 64 * 1024):
                device.seek(start)
                device.write(b'x')
            device.seek(0)
        for _piece in range(size * GIB // MIB if kind == THICK else 8):
            assert not device.read(MIB).replace(b'x', b'').strip(b'\0')
    delete(other, 'volume', made)


def write_secret(kind, volume):
    with open(service.device(volume, kind), 'r+b', buffering=0) as device:
        for start in (0, GIB // 2, GIB - 2 * MIB):
            device.seek(start)
            device.write(SECRET * (2 * MIB // len(SECRET)))
        os.fsync(device.fileno())


def extents(kind):
    """The extents of physical volumes that are taken by logical volumes."""
    found = group.run('lvs', '-a', '--noheadings', '-o', 'seg_pe_ranges', kind)
    return {number for first, last in re.findall(r':(\d+)-(\d+)', found)
            for number in range(int(first), int(last) + 1)}
