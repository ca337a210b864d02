# SPDX-License-Identifier: Apache-2.0
"""The suite as tools/quickstart runs it: one process (cinder-all), SQLite, and the best storage and
export that this machine offers, or a Ceph cluster. Writes the configuration, starts and stops the
processes."""

import configparser
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import ceph_cluster
from environment import ROOT, Trouble, progress, run_logged, say
from initiator import speaks_iscsi

PROJECT = '00000000000000000000000000000001'
START_SECONDS, STOP_SECONDS = 90, 20
# What the suite prints: a reason why it cannot start, warnings.
PRINTED = 'cinder-all.out'

# Read after the embedded profile of etc/cinder, whose back ends are `files` and `lvm`.
CONFIG = """\
# Written by tools/quickstart at each start. Your own options belong into {local}.
[DEFAULT]
state_path = {state}
osapi_volume_listen_port = {port}
api_paste_config = {root}/etc/cinder/api-paste.ini
resource_query_filters_file = {root}/etc/cinder/resource_filters.json
my_ip = 127.0.0.1
host = quickstart
enabled_backends = {backend}
report_interval = 5
periodic_fuzzy_delay = 0
log_file = {log}
fault_injection = {faults}

[metrics]
enabled = true
api_port = 0

[{backend}]
"""
CEPH = """\
volume_driver = cinder.volume.drivers.rbd.RBDDriver
volume_backend_name = ceph
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = {conf}
"""
PROFILE = ROOT / 'etc' / 'cinder' / 'cinder-embedded.conf'
LOCAL_CONFIG = """\
# Your own options for tools/quickstart; they win over those of quickstart.conf next to this file.
# When the volume group named here exists, volumes are kept in it instead of in files.
[lvm]
volume_group = cinder-volumes
"""


def free_port() -> int:
    """Return a free TCP port of the loopback address."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def check_port(port: int) -> None:
    """:raises Trouble: somebody listens there already"""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(('127.0.0.1', port))
        except OSError as exc:
            raise Trouble(f'Port {port} of 127.0.0.1 cannot be used: {exc.strerror}. Is the suite '
                          'running already? Otherwise choose another port with --port N, or '
                          '--port 0 for a free one.') from None


class Suite:
    """The running suite, as a context manager.

    :param state: folder for everything that is kept
    :param programs: folder of the console scripts
    :param port: of the API; 0 takes a free one
    :param with_ceph: keep volumes in a Ceph cluster in the folder
    :param with_faults: serve /faults, for tests of clients
    """

    project = PROJECT

    def __init__(self, state: pathlib.Path, programs: pathlib.Path, port: int,
                 with_ceph: bool = False, with_faults: bool = False):
        self.state, self.programs, self._with_faults = state, programs, with_faults
        self.port = port or free_port()
        self.local_config = state / 'local.conf'
        self.log = state / 'logs' / 'cinder.log'
        self._log_start = 0
        self._env = dict(os.environ)
        self._processes: list[subprocess.Popen] = []
        self.ceph = ceph_cluster.Cluster(state / 'ceph') if with_ceph else None

    @property
    def endpoint(self) -> str:
        return f'http://127.0.0.1:{self.port}'

    # ------------------------------------------------------------------------------------- life
    def __enter__(self) -> 'Suite':
        check_port(self.port)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._processes:
            say('Stopping the suite ...')
        # The suite first, then what exports its volumes.
        for process in reversed(self._processes):
            process.terminate()
            # tgtd takes no notice of SIGTERM, and needs none: it keeps nothing.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1 if process.args[0] == 'tgtd' else STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        if self.ceph:
            self.ceph.stop()

    def wait(self) -> None:
        """Wait until the suite ends.

        :raises Trouble: it does so by itself
        """
        status = self._processes[-1].wait()
        raise Trouble(f'The suite ended with status {status}. {self._end_of_logs()}')

    def _start(self) -> None:
        self.log.parent.mkdir(exist_ok=True)
        if not self.local_config.exists():
            self.local_config.write_text(LOCAL_CONFIG)
        backend, options, where = self._start_ceph() if self.ceph else self._local_storage()
        config = self.state / 'quickstart.conf'
        config.write_text(CONFIG.format(
            local=self.local_config, state=self.state, port=self.port, root=ROOT, log=self.log,
            backend=backend, faults=str(self._with_faults).lower()) + options)
        self.description = f'{self.endpoint}, volumes {where}'
        files = [word for path in (PROFILE, config, self.local_config)
                 for word in ('--config-file', str(path))]
        run_logged([str(self.programs / 'cinder-manage'), *files, 'db', 'sync'],
                   self.state / 'logs' / 'db-sync.log', 'Preparing the database', self._env)
        with progress('Starting the suite'):
            # The log has the lines of earlier starts.
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            self._spawn([str(self.programs / 'cinder-all'), *files], PRINTED)
            self._wait_ready()

    def _spawn(self, argv: list[str], log: str) -> None:
        # A session of its own: Ctrl-C on the terminal is for us, we stop the others in order.
        with (self.state / 'logs' / log).open('wb') as out:
            self._processes.append(subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._env,
                start_new_session=True))

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            status = self._processes[-1].poll()
            if status is not None or time.monotonic() > deadline:
                what = (f'ended with status {status}' if status is not None
                        else f'was not ready after {START_SECONDS} s')
                raise Trouble(f'The suite {what}. {self._end_of_logs()}')
            time.sleep(0.1)

    def _ready(self) -> bool:
        """Whether scheduler, volume and backup service take work."""
        try:
            services = self.call('GET', 'os-services')['services']
        except (OSError, ValueError):
            return False
        return {row['binary'] for row in services if row['state'] == 'up'} >= {
            'cinder-scheduler', 'cinder-volume', 'cinder-backup'}

    def _end_of_logs(self) -> str:
        """Return the last lines that the suite has logged and printed since it was started."""
        found = []
        for path, start in ((self.log, self._log_start), (self.log.with_name(PRINTED), 0)):
            text = path.read_bytes()[start:] if path.exists() else b''
            if text:
                lines = text.decode(errors='replace').splitlines()[-15:]
                found.append(f'The end of {path}:\n' + '\n'.join(lines))
        return '\n'.join(found) or f'Nothing is in {self.log}.'

    # -------------------------------------------------------------------------- what there is
    def _volume_group(self) -> str | None:
        """Return the volume group of the local configuration, None where it does not exist."""
        local = configparser.ConfigParser(strict=False, interpolation=None)
        local.read(self.local_config)
        name = local.get('lvm', 'volume_group', fallback='cinder-volumes')
        if os.geteuid() or not shutil.which('vgs'):
            return None
        there = subprocess.run(['vgs', name], capture_output=True, check=False).returncode == 0
        return name if there else None

    def _start_ceph(self) -> tuple[str, str, str]:
        """Start the cluster; return the section of its back end, its options, and what it is.

        :raises Trouble: with what is missing, or what Ceph says
        """
        done = subprocess.run([str(self.programs / 'python'), '-c', 'import rados, rbd'],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble(f'{self.programs}/python cannot import the modules rados and rbd; '
                          'packages: python3-rados python3-rbd, which Debian has for its own '
                          'release of Python only')
        try:
            with progress('Starting Ceph'):
                self.ceph.start()
        except ceph_cluster.Trouble as exc:
            raise Trouble(f'Ceph cannot be started: {exc}') from None
        # For the demonstration, which reads and writes the volumes through librbd.
        os.environ['CEPH_CONF'] = str(self.ceph.conf)
        return ('ceph', CEPH.format(conf=self.ceph.conf),
                f'in the pool volumes of a Ceph cluster in {self.ceph.folder}; CEPH_CONF='
                f'{self.ceph.conf} rbd --id cinder ls volumes')

    def _local_storage(self) -> tuple[str, str, str]:
        """Return the same for a volume group, or for files."""
        helper, group = self._start_target(), self._volume_group()
        kept = (f'in the volume group {group}' if group
                else f'as files in {self.state}/file-volumes')
        return 'lvm' if group else 'files', helper, kept + (
            ' exported by tgt' if 'tgtadm' in helper else ' reached by a local path')

    def _start_target(self) -> str:
        """Start tgtd where it can be, and return the options of the export."""
        # tgtd takes orders from root only, and the demonstration wants an initiator as well.
        if os.geteuid() or not shutil.which('tgtd') or not speaks_iscsi():
            return 'target_helper = local\n'
        port = free_port()
        self._env['TGT_IPC_SOCKET'] = str(self.state / 'tgtd')
        self._spawn(['tgtd', '-f', '--iscsi', f'portal=127.0.0.1:{port}'], 'tgtd.log')
        return ('target_helper = tgtadm\nuse_chap_auth = true\n'
                f'target_ip_address = 127.0.0.1\ntarget_port = {port}\n')

    # ---------------------------------------------------------------------------------- the API
    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """Send a request to the API of our project and return the JSON of its answer.

        :raises OSError: no connection (URLError), or an answer that is an error (HTTPError)
        """
        request = urllib.request.Request(
            f'{self.endpoint}/v3/{PROJECT}/{path}', method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'Content-Type': 'application/json', 'Accept': 'application/json',
                     'X-Auth-Token': f'quickstart:{PROJECT}',
                     'OpenStack-API-Version': 'volume 3.71'})
        # No proxy of the environment stands between this machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else {}
