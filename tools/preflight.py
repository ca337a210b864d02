# SPDX-License-Identifier: Apache-2.0
"""Refuses a machine on which the tools cannot work, in one line that says what to do, before
anything is installed or started. Plain Python 3.11, nothing else."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from environment import Trouble

MIB = 2 ** 20
# What an empty virtual environment grows to, and what the suite or the tests write.
ENVIRONMENT_MIB, WORK_MIB = 700, 64


def check_loopback() -> None:
    """:raises Trouble: 127.0.0.1 cannot be served or reached, as where there is IPv6 only"""
    with socket.socket() as server, socket.socket() as client:
        client.settimeout(5)
        try:
            server.bind(('127.0.0.1', 0))
            server.listen(1)
            client.connect(server.getsockname())
        except OSError as exc:
            raise Trouble(
                f'This machine cannot use the address 127.0.0.1: {exc.strerror or exc}. The suite '
                'serves there and the tests do: as root, "ip link set lo up" and "ip address add '
                '127.0.0.1/8 dev lo".') from None


def check_room(folder: pathlib.Path, mebibytes: int, how: str) -> None:
    """Check that a folder, or the nearest one above it that is there, has room.

    :param how: names another folder, for the message
    :raises Trouble: it has less than that
    """
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free // MIB
    if free < mebibytes:
        raise Trouble(f'{folder} has {free} MiB of free space, and {mebibytes} are needed. Make '
                      f'room, or {how}.')


def check_temporary() -> None:
    """:raises Trouble: there is no folder for temporary files, or no room in it"""
    how = 'name another folder in the environment variable TMPDIR'
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as exc:
        raise Trouble(f'No folder takes temporary files: {exc.strerror}. Make room in one, or '
                      f'{how}.') from None
    named = os.environ.get('TMPDIR')
    # Python goes on to the next folder in silence; other programs do not.
    if named and os.path.realpath(named) != os.path.realpath(folder):
        raise Trouble(f'Nothing can be written to {named}, which TMPDIR names. Make room there or '
                      f'{how}.')
    check_room(pathlib.Path(folder), WORK_MIB, how)


def check_environment(folder: pathlib.Path) -> None:
    """Check that a virtual environment can be used, where it is there.

    :raises Trouble: another user made it for itself, or its Python is gone
    """
    program = folder / 'bin' / 'python'
    if not os.path.lexists(folder):
        check_room(folder, ENVIRONMENT_MIB, 'work in a clone of this tree that lies elsewhere')
        return
    try:
        status = subprocess.run([program, '-c', 'import encodings'], capture_output=True,
                                check=False, cwd='/').returncode
        why = f'it ends with status {status}'
    except FileNotFoundError as exc:
        # Half made, or what it was made with is gone.
        status, why = os.path.lexists(program), exc.strerror
    except OSError as exc:
        status, why = 1, exc.strerror
    if status:
        raise Trouble(f'User {os.geteuid()} cannot run {program}: {why}. Python or the folder '
                      f'belongs to another user or was moved; remove {folder} and start again, or '
                      'use a clone of your own.')
