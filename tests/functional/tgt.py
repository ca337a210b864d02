# SPDX-License-Identifier: Apache-2.0
"""A tgtd of our own: iSCSI targets in user space on free ports of the loopback address.

The name of its control socket travels in the environment (TGT_IPC_SOCKET of tgtd(8)), so tgtadm
and the daemons under test reach this one and never the machine's.
"""

import os
import pathlib
import shutil

from tests.functional.processes import Process, free_port, listens
from tools import initiator


def usable() -> bool:
    """Return whether the target daemon and a user-space initiator are there.

    tgtd takes orders only from root.
    """
    return not os.geteuid() and bool(shutil.which('tgtd')) and initiator.speaks_iscsi()


class Tgtd:
    """One target daemon."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.environment = {'TGT_IPC_SOCKET': str(directory / 'ipc')}
        self._process = Process(
            'tgtd', ['tgtd', '-f', '--iscsi', f'portal=127.0.0.1:{self.port}'],
            directory / 'tgtd.log', os.environ | self.environment)

    def start(self) -> None:
        self._process.start()
        self._process.wait_for(lambda: listens(self.port), 20)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill9(self) -> None:
        self._process.kill9()

    def stop(self) -> None:
        self._process.stop(seconds=2)
