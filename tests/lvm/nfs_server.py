# SPDX-License-Identifier: Apache-2.0
"""The NFS server of the kernel, in a guest: it would be in the way of one on a real machine."""
import os
import pathlib
import shutil
import subprocess

from tests.functional.processes import wait_until
from tools import guest, lab

EXPORT = pathlib.Path('/run/exported')
SHARE = '127.0.0.1:/'
MODULES = ('nfsd', 'nfs', 'nfsv4')
_PROGRAMS = ('rpcbind', 'exportfs', 'rpc.nfsd', 'rpc.mountd', 'mount.nfs')


def obstacle() -> str | None:
    """Return why there can be no server here; None when there can."""
    if os.environ[lab.DEVICE] != guest.DEVICE:
        return 'an NFS server is started in a guest only'
    missing = [name for name in _PROGRAMS if not shutil.which(name)]
    if missing:
        return f'{", ".join(missing)} not installed: apt-get install nfs-kernel-server nfs-common'
    if subprocess.run(['modprobe', '-qa', *MODULES], check=False).returncode:
        return f'needs the kernel modules {" ".join(MODULES)}'
    return None


def start() -> None:
    """Export EXPORT, a file system in memory, as SHARE."""
    _run('mount', '-t', 'nfsd', 'nfsd', '/proc/fs/nfsd')
    state, pipes = pathlib.Path('/var/lib/nfs'), pathlib.Path('/run/rpc_pipefs')
    for folder in (EXPORT, state):
        folder.mkdir(exist_ok=True)
        _run('mount', '-t', 'tmpfs', 'tmpfs', str(folder))
    for name in ('v4recovery', 'sm', 'sm.bak'):
        (state / name).mkdir()
    for name in ('etab', 'rmtab'):
        (state / name).touch()
    pipes.mkdir(exist_ok=True)
    _run('mount', '-t', 'rpc_pipefs', 'rpc_pipefs', str(pipes))
    pathlib.Path('/etc/exports').write_text(
        f'{EXPORT} 127.0.0.0/8(rw,no_root_squash,fsid=0,insecure,no_subtree_check)\n')
    _run('rpcbind', '-w')
    _run('exportfs', '-ra')
    answer()
    _run('rpc.mountd')


def answer() -> None:
    """Have it answer, for the first time or again. It takes locks again after 10 seconds."""
    _run('rpc.nfsd', '--grace-time', '10', '--lease-time', '10', '2')
    wait_until(lambda: pathlib.Path('/proc/fs/nfsd/threads').read_text().strip() == '2', 20,
               'the server')


def keep_silent() -> None:
    """Have it answer nothing; clients wait."""
    _run('rpc.nfsd', '0')


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{words}: {done.stdout}{done.stderr}'
