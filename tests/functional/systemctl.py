#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""systemctl for a machine without systemd: starts what a unit says as the unit says.

Knows what the units of etc/systemd have, `enable --now` and `is-active`, and no more.
"""

import configparser
import os
import pathlib
import pwd
import shlex
import socket
import subprocess
import sys

SECONDS = 60
PIDS = pathlib.Path('/run/units')


def service(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    path = pathlib.Path(f'/etc/systemd/system/{name.removesuffix(".service")}.service')
    if not parser.read(path):
        sys.exit(f'Unit file {path} does not exist.')
    return parser['Service']


def start(name):
    unit = service(name)
    user = pwd.getpwnam(unit['User'])
    umask = int(unit['UMask'], 8)
    for option, parent in (('StateDirectory', '/var/lib'), ('LogsDirectory', '/var/log')):
        folder = pathlib.Path(parent, unit[option])
        folder.mkdir(exist_ok=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(int(unit[option + 'Mode'], 8))
    told = pathlib.Path(f'/run/notify-{name}')
    told.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(told))
        told.chmod(0o666)
        notices.settimeout(SECONDS)
        with open(f'/run/journal-{name}', 'ab') as journal:
            process = subprocess.Popen(
                shlex.split(unit['ExecStart']), cwd='/', umask=umask, user=user.pw_uid,
                group=user.pw_gid, extra_groups=[], start_new_session=True,
                # systemd gives nothing of the caller's.
                env={'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin', 'LANG': 'C',
                     'HOME': user.pw_dir, 'USER': user.pw_name, 'NOTIFY_SOCKET': str(told)},
                stdin=subprocess.DEVNULL, stdout=journal, stderr=journal)
        try:
            ready = b'READY=1' in notices.recv(4096)
        except TimeoutError:
            ready = False
    if not ready or process.poll() is not None:
        text = pathlib.Path(f'/run/journal-{name}').read_text()
        sys.exit(f'Job for {name}.service failed.\n{text}')
    PIDS.mkdir(exist_ok=True)
    (PIDS / name).write_text(str(process.pid))


def is_active(name):
    try:
        os.kill(int((PIDS / name).read_text()), 0)
    except (OSError, ValueError):
        sys.exit('inactive')


def main(*words):
    command, names = [word for word in words if not word.startswith('-')][0], [
        word for word in words if not word.startswith('-')][1:]
    if command == 'enable' and '--now' in words:
        for name in names:
            start(name)
    elif command == 'is-active':
        for name in names:
            is_active(name)
    elif command != 'daemon-reload':
        sys.exit(f'This systemctl does not know {command}.')


if __name__ == '__main__':
    main(*sys.argv[1:])
