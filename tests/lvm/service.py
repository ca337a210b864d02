# SPDX-License-Identifier: Apache-2.0
"""The three daemons on RabbitMQ and three volume groups, and an oracle that looks at logical
volumes instead of files. What is on the disk is read past the service."""
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import subprocess
from collections.abc import Iterable, Iterator

from cinder.brick.local_dev import reports
from tests.fakes import file_keys
from tests.functional import oracle, rabbit
from tests.functional.client import Client
from tests.functional.processes import free_port, wait_until
from tests.functional.suite import ROOT, Suite, script
from tests.functional.tgt import Tgtd
from tests.lvm import group, initiator, kernel_target

MIB = 1024 ** 2
GIB = 1024 ** 3
# The processor of a guest is slow, and shared.
TIMEOUT_SECONDS = 240
# The second group is small, so that it can be filled, with room to extend its pool.
SECOND, SECOND_MIB, SECOND_POOL, SECOND_POOL_MIB = 'lab2', 1024, 'lab2-pool', 384
THICK, THICK_MIB = 'thick', 16 * 1024
BACKENDS = {group.NAME: {'lvm_type': 'thin'},
            # Where the kernel has a target; else it is tgtd's, as the others.
            SECOND: {'lvm_type': 'thin', 'target_helper': 'lioadm'},
            THICK: {'lvm_type': 'default'}}


class LVMSuite(Suite):
    """Suite on the volume groups of BACKENDS."""

    def client(self, **kwargs) -> Client:
        """One that is patient, and leaves the processor of a guest to what it waits for."""
        return super().client(**{'timeout': TIMEOUT_SECONDS, 'pause': 0.3} | kwargs)

    def environment(self) -> dict[str, str]:
        # For the key manager of the tests.
        return super().environment() | {'PYTHONPATH': str(ROOT)}

    def _backend(self, name):
        options = super()._backend(name) | BACKENDS[name] | {
            'volume_driver': 'cinder.volume.drivers.lvm.LVMVolumeDriver', 'volume_group': name,
            'lvm_pool_autoextend': 0, 'lvm_conf_file': 'none',
            'volumes_dir': self.files_of_tgt}
        if options['target_helper'] == 'lioadm':
            if not kernel_target.ready():
                return options | {'target_helper': 'tgtadm'}
            options['target_port'] = self.kernel_port
        return options

    @property
    def files_of_tgt(self) -> pathlib.Path:
        """Where the original would write files for tgt."""
        return self.directory / 'volumes'

    @functools.cached_property
    def kernel_port(self) -> int:
        """Where the kernel's target listens."""
        return free_port()


class Oracle(oracle.Oracle):
    """The oracle of the functional tests, on logical volumes."""

    def _files(self, rows):
        held = {f'volume-{row.name_id or row.id}': row.status for row in rows['volumes']}
        held |= {f'_snapshot-{row.id}': row.status for row in rows['snapshots']}
        names = logical_volumes()
        yield from (f'in LVM without a row: {name}' for name in sorted(names - held.keys()))
        yield from (f'row {name} ({held[name]}) without its logical volume'
                    for name in sorted(held.keys() - names) if held[name] != 'error')

    def _exports(self, rows):
        yield from super()._exports(rows)
        # No test leaves an attachment there.
        yield from (f'export by the kernel without an attachment: {name}'
                    for name in kernel_target.names())


def logical_volumes(*groups: str) -> set[str]:
    """Names in these groups, or in all, without the pools."""
    rows = reports.rows('lv', group.run('lvs', *reports.ARGUMENTS, 'lv_name', *groups))
    return {row['lv_name'] for row in rows} - {group.POOL, SECOND_POOL}


@contextlib.contextmanager
def loop_group(name: str, mebibytes: int) -> Iterator[None]:
    """A group on a sparse file, which lies outside of a guest and its memory."""
    config = pathlib.Path(os.environ['LVM_SYSTEM_DIR'], 'lvm.conf')
    before, disk = config.read_text(), config.parent / f'disk-{name}'
    with disk.open('wb') as file:
        file.truncate(mebibytes * MIB)
    device = group.run('losetup', '--find', '--show', str(disk)).strip()
    config.write_text(before.replace('global_filter = [', f'global_filter = [ "a|^{device}$|",'))
    try:
        # Small extents, as the smallest room for metadata is one of them.
        group.run('vgcreate', '-qq', '-s', '1m', name, device)
        yield
    finally:
        subprocess.run(['vgremove', '-qq', '-ff', '-y', name], capture_output=True, check=False)
        subprocess.run(['losetup', '-d', device], check=False)
        config.write_text(before)
        disk.unlink()


@contextlib.contextmanager
def running(folder: pathlib.Path, faults: Iterable[str] = (),
            **options: object) -> Iterator[LVMSuite]:
    """The whole: groups, broker, target daemon, initiator, three daemons.

    :param faults: names of fault points that can kill
    :param options: more of the group DEFAULT
    """
    group.make()
    with contextlib.ExitStack() as stack:
        stack.enter_context(loop_group(THICK, THICK_MIB))
        stack.enter_context(loop_group(SECOND, SECOND_MIB))
        group.run('lvcreate', '-qq', '-T', '-L', f'{SECOND_POOL_MIB}m', '--poolmetadatasize',
                  '2m', '-n', SECOND_POOL, SECOND)
        stack.enter_context(initiator.running(folder))
        broker = rabbit.Rabbit(folder / 'rabbitmq', TIMEOUT_SECONDS)
        stack.callback(broker.stop)
        broker.start()
        tgtd = Tgtd(folder / 'tgt')
        tgtd.start()
        stack.callback(tgtd.stop)
        suite = LVMSuite(
            folder / 'suite', f'sqlite:///{folder}/cinder.sqlite', broker.url('lab'), tgtd,
            backends=tuple(BACKENDS), options={'key_manager': {'backend': file_keys.BACKEND},
                                               'DEFAULT': {
                'service_down_time': 40, 'report_interval': 8,
                'backend_stats_polling_interval': 20, 'fault_points': ','.join(
                    f'{name}=kill@{folder}/suite/flags/{name}' for name in faults), **options}})
        stack.callback(suite.stop)
        suite.manage('db', 'sync')
        for process in suite.processes.values():
            process.start()
        suite.wait_ready(TIMEOUT_SECONDS)
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


@contextlib.contextmanager
def restarting(suite: LVMSuite) -> Iterator[None]:
    """Restart the back ends and, at the end of the block, wait until each has started: for a while
    after the kill the API reports those as up that were."""
    log = suite.processes['volume'].log
    before = log.stat().st_size
    suite.restart('volume')
    yield
    wait_until(lambda: all(f'{suite.nodes[0].host}@{name} is up.' in
                           log.read_bytes()[before:].decode(errors='replace')
                           for name in suite.backends), TIMEOUT_SECONDS, 'all back ends to start')


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def content(client: Client, volume_id: str, length: int = MIB) -> str:
    """Checksum of the start of a volume, through the initiator."""
    with attached(client, volume_id) as device:
        return digest(initiator.read(device, length))


def device(volume_id: str, vg: str = group.NAME) -> str:
    """Path of its logical volume."""
    return f'/dev/{vg}/volume-{volume_id}'


def stored(volume_id: str, length: int = MIB, vg: str = group.NAME) -> str:
    """Checksum of the start of a volume, from its logical volume."""
    return digest(initiator.read(device(volume_id, vg), length))


def stored_snapshot(snapshot_id: str, vg: str = group.NAME, length: int = MIB) -> str:
    """Checksum of the start of a snapshot. A thin one has no device unless it is asked for."""
    path = f'{vg}/_snapshot-{snapshot_id}'
    if vg == THICK:
        return digest(initiator.read(f'/dev/{path}', length))
    group.run('lvchange', '-ay', '-K', path)
    try:
        return digest(initiator.read(f'/dev/{path}', length))
    finally:
        group.run('lvchange', '-an', path)


def size_of(path: str) -> int:
    """Bytes of a block device."""
    with open(path, 'rb') as opened:
        return opened.seek(0, os.SEEK_END)


def ready(client: Client, size: int = 1, **fields) -> str:
    """A new volume, in `lab` unless its type says otherwise."""
    fields.setdefault('volume_type', group.NAME)
    return client.ready_volume(size, seconds=TIMEOUT_SECONDS, **fields)['id']


def filled(client: Client, data: bytes, vg: str = group.NAME, **fields) -> str:
    """A new volume with these bytes, written past the service."""
    volume = ready(client, volume_type=vg, **fields)
    initiator.write(device(volume, vg), data)
    return volume


def snapshot(client: Client, volume_id: str, **fields) -> str:
    made = client.create_snapshot(volume_id, **fields)['id']
    client.wait_for_status('snapshot', made, 'available', TIMEOUT_SECONDS)
    return made


def moved(client: Client, volume_id: str, vg: str, former: str | None = None) -> dict:
    """A volume when it has come to a group and is gone from the one where it was.

    :param former: what it was called there, when it had moved before
    """
    def arrived():
        shown = client.show('volume', volume_id)
        assert 'error' not in (shown['status'], shown['migration_status']), (
            shown, client.messages(volume_id))
        return shown['os-vol-host-attr:host'].endswith(f'@{vg}#{vg}')
    wait_until(arrived, TIMEOUT_SECONDS, f'volume {volume_id} in {vg}', pause=0.2)
    wait_until(lambda: f'volume-{former or volume_id}' not in logical_volumes(), TIMEOUT_SECONDS,
               'its former place to be empty', pause=0.2)
    return client.wait_for_status('volume', volume_id, 'available', TIMEOUT_SECONDS)


def name_id(shown: dict) -> str:
    """What the logical volume of a volume is called after, which migrations change."""
    return shown['os-vol-mig-status-attr:name_id'] or shown['id']


def delete(client: Client, kind: str, *identities: str) -> None:
    for identity in identities:
        client.delete(f'{kind}s/{identity}', expect=202)
    for identity in identities:
        client.wait_gone(kind, identity, TIMEOUT_SECONDS)


def exports(suite: LVMSuite) -> set[str]:
    """The ids in the names of what tgtd lets somebody in to."""
    shown = subprocess.run(['tgtadm', '--lld', 'iscsi', '--op', 'show', '--mode', 'target'],
                           env=suite.environment(), capture_output=True, text=True,
                           check=True).stdout
    targets = [text.partition('\n') for text in shown.split('Target ')]
    return {name.rpartition('volume-')[2] for name, _newline, text in targets
            if initiator.NAME in text.partition('ACL information')[2]}


def doctor(suite: LVMSuite, *options: str) -> set[tuple[str, str]]:
    """(kind, name) of what `cinder-manage volume doctor` finds."""
    config = suite.directory / f'{suite.nodes[0].host}.conf'
    done = subprocess.run(
        [script('cinder-manage'), '--config-file', str(config), 'volume', 'doctor', '--json',
         *options],
        env=suite.environment(), capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == int(bool(found)), done.stderr
    return {(each['kind'], each['name']) for each in found}
