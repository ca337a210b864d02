# SPDX-License-Identifier: Apache-2.0
"""The service as an operator runs it: a cinder.conf, the daemons as processes, and their faults.

Brokers, databases and targets are started elsewhere and handed in by URL and port.
"""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from tests.functional.client import CUT_OFF, Client
from tests.functional.processes import Process, children, free_port, wait_until
from tests.functional.tgt import Tgtd

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKEND = 'files'
DAEMONS = ('api', 'scheduler', 'volume')
# Where backups are made as well.
WITH_BACKUP = (*DAEMONS, 'backup')
START_SECONDS = 60

# The verbs of the journal and the steps at which a process can be told to fail. A step has a point
# before and one after it; only new volumes and extends come to the scheduler, which is killed in
# each step of the first.
VERBS = ('volume.create', 'volume.delete', 'volume.extend', 'snapshot.create', 'snapshot.delete')
STEPS = ('api:commit', 'schedule:claim', 'schedule:decide', 'schedule:commit', 'schedule:cast',
         'execute:claim', 'driver', 'finish')
# The commit of a request that has an idempotency key.
REQUEST = ('request:commit:before', 'request:commit:after')


def fault_names(verb: str) -> list[str]:
    """Return the names of the fault points of a verb, in the order in which they are passed."""
    steps = [step for step in STEPS
             if verb == 'volume.create' or not step.startswith('schedule:')
             or (verb, step) == ('volume.extend', 'schedule:commit')]
    return [f'{verb}:{step}:{when}' for step in steps for when in ('before', 'after')]


def script(name: str) -> str:
    """Return the path of a console script of this Python environment."""
    return str(pathlib.Path(sys.executable).parent / name)


@dataclasses.dataclass(frozen=True)
class Node:
    """A host as far as the service knows: which daemons run under which name."""

    host: str
    daemons: tuple[str, ...] = DAEMONS


class Suite:
    """The daemons of one installation, in one directory.

    :param directory: holds configuration, logs, state and the flags of the fault points
    :param database: URL of an empty database
    :param transport: URL of the message bus
    :param tgtd: exports the volumes; a path on this host without one
    :param nodes: what runs where; several make a cluster
    :param options: more options, as {group: {name: value}}
    :param faults: whether the fault points are there
    :param backends: names of the back ends of each node, all on plain files
    """

    def __init__(self, directory: pathlib.Path, database: str, transport: str,
                 tgtd: Tgtd | None = None, nodes: Sequence[Node] = (Node('node1'),),
                 options: Mapping[str, Mapping[str, object]] | None = None,
                 faults: bool = True, backends: Sequence[str] = (BACKEND,)):
        self.directory = directory
        self.database = database
        self.transport = transport
        self.tgtd = tgtd
        self.nodes = nodes
        self.options = options or {}
        self.faults = faults
        self.backends = backends
        self.port = free_port()
        self.state = directory / 'state'
        self.flags = directory / 'flags'
        self.volumes = self.state / 'file-volumes'
        for path in (self.state, self.flags):
            path.mkdir(parents=True)
        self.processes = {
            name + ('' if node is nodes[0] else f'-{node.host}'): self._process(name, node)
            for node in nodes for name in node.daemons}

    @property
    def endpoint(self) -> str:
        return f'http://127.0.0.1:{self.port}'

    def client(self, **kwargs) -> Client:
        return Client(self.endpoint, **kwargs)

    # ---------------------------------------------------------------------------- configuration
    @property
    def clustered(self) -> bool:
        """Whether the nodes are hosts of a cluster."""
        return len(self.nodes) > 1 or 'cluster' in self.options.get('DEFAULT', {})

    def _process(self, name: str, node: Node) -> Process:
        config = self.directory / f'{node.host}.conf'
        config.write_text(render(self.configuration(node)))
        return Process(
            f'cinder-{name} on {node.host}', [script(f'cinder-{name}'), '--config-file', config],
            self.directory / 'logs' / f'{name}-{node.host}.log', self.environment())

    def environment(self) -> dict[str, str]:
        """Return the environment of the daemons."""
        return os.environ | (self.tgtd.environment if self.tgtd else {})

    def configuration(self, node: Node) -> dict[str, dict[str, object]]:
        """Return the options of a node by group; short intervals let a fault heal fast."""
        default = {
            'host': node.host, 'state_path': self.state, 'my_ip': '127.0.0.1',
            'transport_url': self.transport, 'auth_strategy': 'noauth',
            'osapi_volume_listen': '127.0.0.1', 'osapi_volume_listen_port': self.port,
            'osapi_volume_workers': 1, 'api_paste_config': ROOT / 'etc/cinder/api-paste.ini',
            'enabled_backends': ','.join(self.backends), 'report_interval': 2,
            'operation_poll_interval': 2, 'operation_lease': 10, 'periodic_fuzzy_delay': 0,
            'periodic_interval': 5, 'operation_max_attempts': 5,
            'quota_volumes': 1000, 'quota_snapshots': 1000, 'quota_gigabytes': 10000,
            'quota_groups': 1000,
        }
        if 'backup' in node.daemons:
            default |= {'backup_driver': 'cinder.backup.drivers.posix.PosixBackupDriver',
                        'backup_posix_path': self.state / 'backups'}
        if self.clustered:
            default['cluster'] = 'cluster'
        if self.faults:
            default['fault_points'] = ','.join(self._fault_points())
        groups = {
            'DEFAULT': default, **{name: self._backend(name) for name in self.backends},
            'database': {'connection': self.database},
            'coordination': {'backend_url': self.locks(node)},
            'oslo_concurrency': {'lock_path': self.state / 'locks'},
        }
        for group, values in self.options.items():
            groups[group] = groups.get(group, {}) | values
        return groups

    def locks(self, node: Node) -> str:
        """Return the URL of the locks: files, or PostgreSQL between the hosts of a cluster."""
        if not self.clustered:
            return f'file://{self.state}/coordination'
        return self.database.replace('+psycopg2', '')

    def _backend(self, name: str) -> dict[str, object]:
        options = {
            'volume_driver': 'cinder.volume.drivers.file.FileVolumeDriver',
            'volume_backend_name': name, 'target_helper': 'local',
            'file_volume_dir': self.folder(name),
        }
        if self.clustered:
            # A target would export from one host only.
            options['file_shared_storage'] = True
        elif self.tgtd:
            options |= {'target_helper': 'tgtadm', 'target_ip_address': '127.0.0.1',
                        'target_port': self.tgtd.port, 'use_chap_auth': True}
        return options

    def folder(self, name: str) -> pathlib.Path:
        """Return where a back end keeps its files."""
        return self.volumes if name == BACKEND else self.state / name

    def folders(self) -> list[pathlib.Path]:
        """Return the folders of all back ends."""
        return [self.folder(name) for name in self.backends]

    def stored(self) -> dict[str, int]:
        """Return what the storage has: name -> bytes."""
        return {path.name: path.stat().st_size for folder in self.folders() if folder.exists()
                for path in folder.iterdir()}

    def fault_names(self) -> list[str]:
        """Return the names of the fault points at which a process can be killed."""
        return [*(name for verb in VERBS for name in fault_names(verb)), *REQUEST]

    def _fault_points(self) -> list[str]:
        names = self.fault_names()
        return [f'{name}=kill@{self.flags / name}' for name in names] + [
            f'bus:duplicate=duplicate@{self.flags}/bus']

    # -------------------------------------------------------------------------------------- life
    def start(self) -> None:
        """Make the tables, start the daemons, and wait until they take work."""
        self.manage('db', 'sync')
        for process in self.processes.values():
            process.start()
        self.wait_ready()

    def stop(self) -> None:
        """End all daemons, those that serve first."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                if process.running:
                    process.signal(15)
        for process in self.processes.values():
            process.stop()

    def manage(self, *words: str) -> str:
        """Run cinder-manage and return what it prints."""
        config = self.directory / f'{self.nodes[0].host}.conf'
        done = subprocess.run([script('cinder-manage'), '--config-file', config, *words],
                              env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f'cinder-manage {words}: {done.stdout}{done.stderr}'
        return done.stdout

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the API answers and each other daemon is reported up."""
        next(iter(self.processes.values())).wait_for(self.answers, seconds)
        expected = {(f'cinder-{name}', host) for node in self.nodes for name, hosts in {
            'scheduler': [node.host], 'backup': [node.host],
            'volume': [f'{node.host}@{backend}' for backend in self.backends]}.items()
            if name in node.daemons for host in hosts}
        wait_until(lambda: expected <= self.up(), seconds,
                   lambda: f'{expected - self.up()} to be up\n{self.tails()}', pause=0.1)
        wait_until(self.knows_pools, seconds, 'the scheduler to know a pool', pause=0.1)

    def answers(self) -> bool:
        """Return whether the API serves requests."""
        try:
            return self.client(timeout=5).request('GET', '/healthcheck').status == 200
        except CUT_OFF:
            return False

    def knows_pools(self) -> bool:
        """Return whether all back ends have told the scheduler what they have."""
        pools = self.client().get('scheduler-stats/get_pools')['pools']
        return {pool['name'].partition('#')[0].partition('@')[2] for pool in pools} >= set(
            self.backends)

    def up(self) -> set[tuple[str, str]]:
        """Return (binary, host) of the services that are reported up."""
        try:
            services = self.client(timeout=5).get('os-services')['services']
        except CUT_OFF:
            return set()
        return {(row['binary'], row['host']) for row in services if row['state'] == 'up'}

    def ensure_running(self) -> None:
        """Start again what ended; what is forked by a parent that lives is the parent's to mend."""
        ended = [process for process in self.processes.values() if not process.running]
        for process in ended:
            process.kill9()
            process.start()
        wait_until(self.answers, START_SECONDS, lambda: f'the API\n{self.tails()}')

    def restart(self, name: str) -> None:
        """Kill a daemon with all its children and start it again."""
        self.processes[name].kill9()
        self.processes[name].start()

    def pids(self) -> set[int]:
        """Return all living processes of the daemons."""
        return {pid for process in self.processes.values() if process.running
                for pid in (process.pid, *process.children())}

    def worker_pids(self, name: str) -> list[int]:
        """Return the processes of a daemon that do the work: its children, or itself."""
        pid = self.processes[name].pid
        return children(pid) or [pid]

    # ------------------------------------------------------------------------------------ faults
    @contextlib.contextmanager
    def killed_at(self, name: str, seconds: float = 20) -> Iterator[None]:
        """Let a fault point kill a process once, and wait for that at the end of the block.

        :raises TimeoutError: the code never came by
        """
        flag, before = self.flags / name, self.pids()
        flag.touch()
        try:
            yield
            # The flag goes first, the process a moment later.
            wait_until(lambda: not flag.exists() and before - self.pids(), seconds,
                       f'fault point {name}', pause=0.02)
        finally:
            flag.unlink(missing_ok=True)

    def tails(self, lines: int = 25) -> str:
        """Return the last lines of each daemon's log."""
        return '\n'.join(f'---- {process.name}\n{process.tail(lines)}'
                         for process in self.processes.values())


def add_tails(item, report) -> None:
    """Add the ends of the daemons' logs to the report of a failure."""
    if report.failed:
        for value in getattr(item, 'funcargs', {}).values():
            if isinstance(value, Suite):
                report.sections.append((f'daemons in {value.directory}', value.tails()))


def render(groups: Mapping[str, Mapping[str, object]]) -> str:
    """Return options by group as the text of a configuration file."""
    return '\n'.join(
        f'[{group}]\n' + ''.join(f'{name} = {value}\n' for name, value in values.items())
        for group, values in groups.items())
