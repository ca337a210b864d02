# SPDX-License-Identifier: Apache-2.0
"""The three daemons on RabbitMQ and two volume groups, and an oracle that looks at logical volumes
instead of files. What is on the disk is read past the service."""
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator

from cinder.brick.local_dev import reports
from tests.functional import oracle, rabbit
from tests.functional.client import Client
from tests.functional.suite import Suite
from tests.functional.tgt import Tgtd
from tests.lvm import group, initiator

MIB = 1024 ** 2
GIB = 1024 ** 3
# The processor of a guest is slow, and shared.
PATIENCE = 240
# The second group is small, so that it can be filled.
SECOND, SECOND_POOL, SECOND_POOL_MIB = 'lab2', 'lab2-pool', 96
# Operations whose fault points the daemons have, and the steps of them in cinder-volume.
KILLED = ('volume.create', 'volume.delete', 'volume.extend', 'volume.revert', 'snapshot.create',
          'snapshot.delete')
STEPS = ('execute:claim', 'driver', 'finish')


class LVMSuite(Suite):
    """Suite with thin volumes in `lab` and `lab2`."""

    def _backend(self, name):
        return super()._backend(name) | {
            'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': name,
            'lvm_type': 'thin', 'lvm_pool_autoextend': 0, 'lvm_conf_file': 'none'}

    def _fault_points(self):
        return [f'{verb}:{step}:{when}=kill@{self.flags}/{verb}:{step}:{when}'
                for verb in KILLED for step in STEPS for when in ('before', 'after')]

    def kill_back_ends(self) -> None:
        """kill -9 the processes that do the work; their parent starts others."""
        for pid in self.processes['volume'].children():
            os.kill(pid, 9)


class Oracle(oracle.Oracle):
    """The oracle of the functional tests, on logical volumes."""

    def _files(self, rows):
        held = {f'volume-{row.name_id or row.id}': row.status for row in rows['volumes']}
        held |= {f'_snapshot-{row.id}': row.status for row in rows['snapshots']}
        names = logical_volumes()
        yield from (f'in LVM without a row: {name}' for name in sorted(names - held.keys()))
        yield from (f'row {name} ({held[name]}) without its logical volume'
                    for name in sorted(held.keys() - names) if held[name] != 'error')


def logical_volumes() -> set[str]:
    """Names in both groups, without the pools."""
    rows = reports.rows('lv', group.run('lvs', *reports.ARGUMENTS, 'lv_name'))
    return {row['lv_name'] for row in rows} - {group.POOL, SECOND_POOL}


@contextlib.contextmanager
def second_group(folder: pathlib.Path) -> Iterator[None]:
    """A small group on a sparse file, with a pool that leaves room to extend it."""
    disk = folder / 'second'
    with disk.open('wb') as file:
        file.truncate(512 * MIB)
    config = pathlib.Path(os.environ['LVM_SYSTEM_DIR'], 'lvm.conf')
    before = config.read_text()
    device = group.run('losetup', '--find', '--show', str(disk)).strip()
    config.write_text(before.replace('global_filter = [', f'global_filter = [ "a|^{device}$|",'))
    try:
        group.run('vgcreate', '-qq', SECOND, device)
        group.run('lvcreate', '-qq', '-T', '-L', f'{SECOND_POOL_MIB}m', '-n', SECOND_POOL, SECOND)
        yield
    finally:
        subprocess.run(['vgremove', '-qq', '-ff', '-y', SECOND], capture_output=True, check=False)
        subprocess.run(['losetup', '-d', device], check=False)
        config.write_text(before)


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[LVMSuite]:
    """The whole: groups, broker, target daemon, initiator, three daemons."""
    group.make()
    with contextlib.ExitStack() as stack:
        stack.enter_context(second_group(folder))
        stack.enter_context(initiator.running(folder))
        broker = rabbit.Rabbit(folder / 'rabbitmq', PATIENCE)
        stack.callback(broker.stop)
        broker.start()
        tgtd = Tgtd(folder / 'tgt')
        tgtd.start()
        stack.callback(tgtd.stop)
        suite = LVMSuite(
            folder / 'suite', f'sqlite:///{folder}/cinder.sqlite', broker.url('lab'), tgtd,
            backends=(group.NAME, SECOND),
            options={'DEFAULT': {'service_down_time': 30, 'report_interval': 4}})
        stack.callback(suite.stop)
        suite.manage('db', 'sync')
        for process in suite.processes.values():
            process.start()
        suite.wait_ready(PATIENCE)
        for name in suite.backends:
            suite.client().post('types', {'volume_type': {'name': name, 'extra_specs': {
                'volume_backend_name': name}}})
        yield suite


@contextlib.contextmanager
def attached(client: Client, volume_id: str) -> Iterator[str]:
    """Attach over the API and log in; yields the block device."""
    attachment = client.post('attachments', {'attachment': {
        'volume_uuid': volume_id, 'connector': initiator.CONNECTOR}})['attachment']
    try:
        with initiator.attached(attachment['connection_info']) as device:
            client.post(f'attachments/{attachment["id"]}/action', {'os-complete': {}}, expect=204)
            yield device
    finally:
        client.delete(f'attachments/{attachment["id"]}')


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def content(client: Client, volume_id: str, length: int = MIB) -> str:
    """Checksum of the start of a volume, through the initiator."""
    with attached(client, volume_id) as device:
        return digest(initiator.read(device, length))


def stored(volume_id: str, length: int = MIB, vg: str = group.NAME) -> str:
    """Checksum of the start of a volume, from its logical volume."""
    return digest(initiator.read(f'/dev/{vg}/volume-{volume_id}', length))


def ready(client: Client, size: int = 1, **fields) -> str:
    fields.setdefault('volume_type', group.NAME)
    return client.ready_volume(size, seconds=PATIENCE, **fields)['id']


def filled(client: Client, data: bytes, **fields) -> str:
    """A volume in `lab` with these bytes, written past the service."""
    volume = ready(client, **fields)
    initiator.write(f'/dev/{group.NAME}/volume-{volume}', data)
    return volume


def snapshot(client: Client, volume_id: str, **fields) -> str:
    made = client.create_snapshot(volume_id, **fields)['id']
    client.wait_for_status('snapshot', made, 'available', PATIENCE)
    return made


def delete(client: Client, kind: str, *identities: str) -> None:
    for identity in identities:
        client.delete(f'{kind}s/{identity}', expect=202)
    for identity in identities:
        client.wait_gone(kind, identity, PATIENCE)


def doctor(suite: LVMSuite) -> set[tuple[str, str]]:
    """(kind, name) of what `cinder-manage volume doctor` finds."""
    config = suite.directory / f'{suite.nodes[0].host}.conf'
    done = subprocess.run(
        [str(pathlib.Path(os.sys.executable).parent / 'cinder-manage'), '--config-file',
         str(config), 'volume', 'doctor', '--json'], env=suite.environment(),
        capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == int(bool(found)), done.stderr
    return {(each['kind'], each['name']) for each in found}
