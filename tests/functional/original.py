# SPDX-License-Identifier: Apache-2.0
"""The original from PyPI as a black box: its daemons as processes on a database and a broker that
others start, with back ends on plain files (peer/labfile.py). backup_peer.py installs it.

What is in it, is made by inventory.py, over its API.
"""

import os
import pathlib
import subprocess
from collections.abc import Sequence

from tests.functional import backup_peer
from tests.functional.client import CUT_OFF, Client
from tests.functional.processes import Process, free_port, wait_until
from tests.functional.suite import render

HERE = pathlib.Path(__file__).parent
HOST = 'old'
FIXED_KEY = '00112233445566778899aabbccddeeff'
SYNC_SECONDS, START_SECONDS = 180, 180
DAEMONS = ('scheduler', 'volume', 'backup')
# rootwrap of its processes asks sudo, even if they are root.
SUDO = '#!/bin/sh\nshift 2\nexec "$@"\n'


class Original:
    """One installation of it.

    :param python: of an environment with it
    :param folder: configuration, logs, volumes and backups
    """

    def __init__(self, python: pathlib.Path, folder: pathlib.Path, database: str, transport: str,
                 backends: Sequence[str] = ('files', 'second')) -> None:
        self.programs, self.folder, self.backends = python.parent, folder, backends
        self.database, self.transport, self.port = database, transport, free_port()
        self.config = folder / '.cinder/cinder.conf'
        for path in (self.config.parent, folder / 'bin', folder / 'backups', folder / 'locks'):
            path.mkdir(parents=True)
        self.config.write_text(render(self.configuration()))
        (folder / 'bin/sudo').write_text(SUDO)
        (folder / 'bin/sudo').chmod(0o755)
        self.processes = [self._process('api', self._gunicorn())]
        self.processes += [
            self._process(name, [self.programs / f'cinder-{name}', '--config-file', self.config])
            for name in DAEMONS]

    @property
    def endpoint(self) -> str:
        return f'http://127.0.0.1:{self.port}'

    def client(self, **kwargs) -> Client:
        return Client(self.endpoint, **kwargs)

    def root(self, backend: str) -> pathlib.Path:
        """Return the folder of the files of a back end."""
        return self.folder / 'volumes' / backend

    def configuration(self) -> dict[str, dict[str, object]]:
        """Return its options by group."""
        etc = self.programs.parent / 'etc/cinder'
        return {
            'DEFAULT': {
                'host': HOST, 'state_path': self.folder, 'my_ip': '127.0.0.1',
                'transport_url': self.transport, 'auth_strategy': 'noauth',
                'api_paste_config': etc / 'api-paste.ini',
                'resource_query_filters_file': etc / 'resource_filters.json',
                'rootwrap_config': etc / 'rootwrap.conf',
                'enabled_backends': ','.join(self.backends), 'report_interval': 2,
                'service_down_time': 60, 'periodic_interval': 5, 'periodic_fuzzy_delay': 0,
                'quota_volumes': 1000, 'quota_snapshots': 1000, 'quota_gigabytes': 10000,
                'backup_driver': backup_peer.POSIX, 'backup_posix_path': self.folder / 'backups',
                'backup_compression_algorithm': 'zstd', 'backup_sha_block_size_bytes': 2**22,
                'backup_file_size': 2**26, 'default_volume_type': '__DEFAULT__',
                'cinder_internal_tenant_project_id': 'c1de', 'debug': False},
            'database': {'connection': self.database},
            'key_manager': {'backend': 'cinder.keymgr.conf_key_mgr.ConfKeyManager',
                            'fixed_key': FIXED_KEY},
            'coordination': {'backend_url': f'file://{self.folder}/coordination'},
            'oslo_concurrency': {'lock_path': self.folder / 'locks'},
            **{name: {'volume_driver': 'labfile.LabFileDriver', 'volume_backend_name': name,
                      'lab_file_root': self.root(name),
                      # The first has a pool of another name than ours gives it.
                      'lab_pool_name': name if number else 'pool0'}
               for number, name in enumerate(self.backends)}}

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes; it has its configuration in HOME."""
        path = f'{self.folder}/bin:{self.programs}:{os.environ["PATH"]}'
        return os.environ | {'HOME': str(self.folder), 'PATH': path,
                             'PYTHONPATH': str(HERE / 'peer')}

    def _process(self, name: str, argv: list) -> Process:
        return Process(f'the original {name}', argv, self.folder / 'logs' / f'{name}.log',
                       self.environment(), self.folder)

    def _gunicorn(self) -> list:
        # The application parses sys.argv, so nothing may be there.
        (self.folder / 'gunicorn.conf.py').write_text(
            "wsgi_app = 'cinder.wsgi.api:application'\nworker_class = 'gthread'\nthreads = 8\n"
            f"bind = '127.0.0.1:{self.port}'\n")
        return [self.programs / 'gunicorn']

    # ------------------------------------------------------------------------------------ life
    def manage(self, *words: str) -> str:
        """Run its cinder-manage and return what that prints."""
        done = subprocess.run([self.programs / 'cinder-manage', *words], env=self.environment(),
                              capture_output=True, text=True, check=False, timeout=SYNC_SECONDS,
                              cwd=self.folder)
        assert done.returncode == 0, f'cinder-manage {words}: {done.stdout}{done.stderr}'
        return done.stdout

    def start(self) -> None:
        """Start its daemons on tables that it has made, and wait until they work."""
        for process in self.processes:
            process.start()
        self.processes[0].wait_for(self.answers, START_SECONDS)
        want = len(self.backends) + 2
        wait_until(lambda: self.number_up() >= want, START_SECONDS,
                   lambda: f'{want} services\n{self.tails()}', pause=0.5)

    def answers(self) -> bool:
        """Return whether its API serves."""
        try:
            return self.client(timeout=5).request('GET', '/healthcheck').status == 200
        except CUT_OFF:
            return False

    def number_up(self) -> int:
        """Return how many of its services are up."""
        return sum(row['state'] == 'up'
                   for row in self.client().get('os-services')['services'])

    def stop(self) -> None:
        """End all its processes."""
        for process in self.processes:
            if process.running:
                process.signal(15)
        for process in self.processes:
            process.stop(seconds=5)

    def tails(self, lines: int = 30) -> str:
        """Return the last lines of each log."""
        return '\n'.join(f'---- {process.name}\n{process.tail(lines)}'
                         for process in self.processes)
