# SPDX-License-Identifier: Apache-2.0
"""An etcd of our own on free loopback ports, and two hosts of a cluster whose locks it keeps."""

import os
import pathlib
import shutil
import signal
import urllib.request

from tests.functional.processes import Process, free_port, wait_until
from tests.functional.suite import Node, Suite

HOSTS = (Node('node1'), Node('node2', ('scheduler', 'volume')))


class Etcd:
    """One server of one member."""

    def __init__(self, directory: pathlib.Path):
        self.port = free_port()
        self._url = f'http://127.0.0.1:{self.port}'
        peer = f'http://127.0.0.1:{free_port()}'
        self._process = Process('etcd', [
            'etcd', '--name', 'one', '--data-dir', str(directory / 'data'),
            '--listen-client-urls', self._url, '--advertise-client-urls', self._url,
            '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
            '--initial-cluster', f'one={peer}'], directory / 'etcd.log')

    @staticmethod
    def is_installed() -> bool:
        return shutil.which('etcd') is not None

    def locks(self, lease: int) -> str:
        """Return what [coordination] backend_url says.

        :param lease: seconds that a lock lasts without a heartbeat; etcd counts in whole ones
        """
        return (f'etcd3+http://127.0.0.1:{self.port}?lock_timeout={lease}'
                f'&membership_timeout={lease}&timeout={lease}')

    def start(self) -> None:
        self._process.start()
        self._process.wait_for(self._is_healthy, 30)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f'{self._url}/health', timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self) -> None:
        self._process.stop()

    def pause(self) -> None:
        """Answer nobody; connections stay open."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)
        wait_until(self._is_healthy, 10, 'etcd to go on')


class Cluster(Suite):
    """Two hosts with one folder and the locks of that etcd. Copies move bytes, slowly.

    :param etcd: keeps the locks
    """

    # Seconds; and bytes per second of all copies of a host.
    LEASE = 4
    PACE = 2 * 2 ** 20

    def __init__(self, *args, etcd: Etcd, **kwargs):
        self.etcd = etcd
        super().__init__(*args, **kwargs)

    def locks(self, node):
        return self.etcd.locks(self.LEASE)

    def _backend(self, name):
        return super()._backend(name) | {'file_reflink': 'never',
                                         'volume_copy_bps_limit': self.PACE}

    def said(self, words: str) -> int:
        """Return how often the volume services have logged something."""
        return sum(process.log.read_text(errors='replace').count(words)
                   for name, process in self.processes.items() if name.startswith('volume'))
