# SPDX-License-Identifier: Apache-2.0
"""Runs in the machine of test_nvme.py: a subsystem as the original makes it, a host that writes to
it, and our target that takes it over."""
import os
import pathlib
import subprocess
import time
import uuid

from cinder import privsep
from cinder.privsep import nvmet as kernel
from cinder.volume.targets import nvmet
from tests.fakes import volumes
from tests.lvm.original import Traffic

MIB = 1024 ** 2
TREE = pathlib.Path(kernel.ROOT)
HOST = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555'
OTHER = 'nqn.2014-08.org.nvmexpress:uuid:21111111-2222-4333-8444-555555555555'


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f'{argv}: {done.returncode}: {done.stdout}{done.stderr}')
    return done.stdout.strip()


def connect(nqn, host=HOST):
    run('nvme', 'connect', '-t', 'tcp', '-a', '127.0.0.1', '-s', '4420', '-n', nqn, '--hostnqn',
        host, '--hostid', host.rpartition(':')[2], '-l', '600', '--duplicate-connect')


def write(folder, **values):
    folder.mkdir()
    for name, value in values.items():
        (folder / name).write_text(value)
    return folder


def plant(volume, device, nguid):
    """What Cinder 29.0.0 was seen to ask of the kernel; returns provider_location."""
    nqn = f'nqn.iqn.2010-10.org.openstack:-{volume.id}'
    subsystem = write(TREE / 'subsystems' / nqn, attr_allow_any_host='1')
    write(subsystem / 'namespaces' / '10', device_path=device, device_uuid=volume.id,
          device_nguid=nguid, enable='1')
    port = write(TREE / 'ports' / '1', addr_trtype='tcp', addr_adrfam='ipv4',
                 addr_traddr='127.0.0.1', addr_trsvcid='4420')
    os.symlink(subsystem, port / 'subsystems' / nqn)
    return f'127.0.0.1:4420 tcp {nqn} 10'


def disk():
    """The block device of the connection."""
    for _attempt in range(100):
        for found in pathlib.Path('/sys/block').glob('nvme*n*'):
            if (found / 'size').read_text() != '0\n' and os.path.exists(f'/dev/{found.name}'):
                return found
        time.sleep(0.1)
    raise TimeoutError('no block device has appeared')


def refused(nqn):
    try:
        connect(nqn, OTHER)
    except OSError:
        return True
    return False


def take_over(target, volume, device, found, nguid):
    nqn = target.nqn(volume)
    assert (found / 'nguid').read_text().strip() == nguid
    with Traffic(f'/dev/{found.name}') as traffic:
        traffic.goes_on()
        for _start in range(2):
            volumes.stored(volume, target.ensure_export(volume, device))
            traffic.goes_on()
        assert volume.provider_location == f'127.0.0.1 4420 tcp {nqn} 10 {nguid}'
        assert refused(nqn)
        # As by a boot.
        kernel.remove(nqn)
        volumes.stored(volume, target.ensure_export(volume, device))
        traffic.goes_on(120)
        assert disk() == found
        assert (found / 'nguid').read_text().strip() == nguid
        run('truncate', '-s', '128M', '/run/disk')
        run('losetup', '-c', device)
        target.extend(volume, device)
        traffic.goes_on()
        assert int((found / 'size').read_text()) * 512 == 128 * MIB
    traffic.check(device)
    return traffic


def main():
    # This process is the helper.
    privsep.as_root_pctxt.set_client_mode(False)
    pathlib.Path('/run/disk').write_bytes(bytes(64 * MIB))
    device, volume = run('losetup', '-f', '--show', '/run/disk'), volumes.volume()
    nguid = str(uuid.uuid4())
    volume.provider_location = plant(volume, device, nguid)
    volume.attachments = [volumes.attachment()]
    volume.attachments[0].connector = {'nqn': HOST, 'host': 'lab'}
    target = nvmet.NVMET(volumes.options(target_protocol='nvmet_tcp', target_port=4420), None)
    theirs = target.nqn(volume)
    connect(theirs)
    traffic = take_over(target, volume, device, disk(), nguid)
    run('nvme', 'disconnect', '-n', theirs)
    target.terminate_connection(volume, volume.attachments.pop().connector)
    volumes.stored(volume, target.remove_export(volume))
    assert not os.listdir(TREE / 'subsystems') and not os.listdir(TREE / 'hosts')
    volumes.stored(volume, target.create_export(volume, device))
    ours = target.initialize_connection(volume, device, {'nqn': HOST})['data']['nqn']
    assert ours == f'nqn.2010-10.org.openstack:{volume.name}'
    connect(ours)
    assert (disk() / 'uuid').read_text().strip() == volume.id
    traffic.check(f'/dev/{disk().name}')
    run('nvme', 'disconnect', '-n', ours)
    target.remove_export(volume)


if __name__ == '__main__':
    main()
