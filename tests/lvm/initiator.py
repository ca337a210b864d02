# SPDX-License-Identifier: Apache-2.0
"""The kernel's iSCSI initiator (open-iscsi), driven by iscsiadm(8) as os-brick does it."""
import contextlib
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator

from tests.functional.processes import Process, wait_until

NAME = 'iqn.2000-01.org.example:lab'
CONNECTOR = {'initiator': NAME, 'ip': '127.0.0.1', 'host': 'lab', 'platform': 'x86_64',
             'os_type': 'linux', 'multipath': False}
_LOGIN_SECONDS = 60
# How long the kernel keeps what is to be read and written while a session is cut.
_RECOVERY_SECONDS = 60


def iscsiadm(*words: str) -> str:
    """:raises OSError: with what iscsiadm says"""
    done = subprocess.run(['iscsiadm', *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f'iscsiadm {words[:6]}: {done.returncode}: {done.stdout}{done.stderr}')
    return done.stdout


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[None]:
    """The initiator's daemon, unless this machine runs one already."""
    if subprocess.run(['pidof', 'iscsid'], capture_output=True, check=False).returncode == 0:
        yield
        return
    names = folder / 'initiatorname.iscsi'
    names.write_text(f'InitiatorName={NAME}\n')
    daemon = Process('iscsid', ['iscsid', '-f', '-i', str(names)], folder / 'iscsid.log',
                     dict(os.environ))
    daemon.start()
    try:
        yield
    finally:
        daemon.stop(seconds=2)


@contextlib.contextmanager
def attached(connection: dict) -> Iterator[str]:
    """Log in as connection information says; yields the path of the block device.

    :raises OSError: the target lets nobody in with that name and secret
    """
    # The attachments API shows the data flat, next to the type.
    data = connection.get('data', connection)
    node = ('-m', 'node', '-T', data['target_iqn'], '-p', data['target_portal'])
    iscsiadm(*node, '-o', 'new')
    settings = {'node.session.initial_login_retry_max': '1',
                'node.session.timeo.replacement_timeout': str(_RECOVERY_SECONDS)}
    if data.get('auth_method'):
        settings |= {'node.session.auth.authmethod': data['auth_method'],
                     'node.session.auth.username': data['auth_username'],
                     'node.session.auth.password': data['auth_password']}
    try:
        for name, value in settings.items():
            iscsiadm(*node, '-o', 'update', '-n', name, '-v', value)
        iscsiadm(*node, '--login')
        try:
            yield _device(data)
        finally:
            iscsiadm(*node, '--logout')
    finally:
        iscsiadm(*node, '-o', 'delete')


def recover(path: str) -> None:
    """Wait until a device that was cut off works again, else log out and in, as its user would:
    Linux 6.1 was seen to refuse to go on with a session (bind: ENOTCONN) that was turned away by
    a target daemon which ran already and had no targets yet."""
    try:
        read(path, 4096)
    except OSError:
        portal, iqn = re.search(r'/ip-(.*)-iscsi-(.*)-lun-', path).groups()
        for option in ('--logout', '--login'):
            iscsiadm('-m', 'node', '-T', iqn, '-p', portal, option)
        wait_until(lambda: os.path.exists(path), _LOGIN_SECONDS, path)


def _device(data):
    path = (f'/dev/disk/by-path/ip-{data["target_portal"]}-iscsi-{data["target_iqn"]}'
            f'-lun-{data["target_lun"]}')
    wait_until(lambda: os.path.exists(path), _LOGIN_SECONDS, path)
    return path


def write(path: str, content: bytes) -> None:
    """Write from the first byte on, past the page cache's delay: it is on the volume."""
    with open(path, 'r+b', buffering=0) as device:
        assert device.write(content) == len(content)
        os.fsync(device.fileno())


def read(path: str, length: int) -> bytes:
    """Read from the device, not from what this kernel remembers of it."""
    with open(path, 'rb', buffering=0) as device:
        os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return device.read(length)


def sessions() -> set[str]:
    """What tells the sessions that are there from each other; a new login is another."""
    shown = subprocess.run(['iscsiadm', '-m', 'session'], capture_output=True, text=True,
                           check=False).stdout
    return set(filter(None, shown.splitlines()))
