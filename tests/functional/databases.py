# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL and a MariaDB of our own, from the distribution's packages, on free loopback ports.

They give up durability for speed: a test that kills one kills the process, not the machine.
"""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from types import ModuleType

import sqlalchemy as sa

from cinder import objects
from cinder.conf import CONF
from cinder.db import migration, session
from tests.functional.processes import Process, free_port, listens, wait_until

_BOOT_SECONDS = 60
# Bytes that a server and its databases need.
_ROOM = 500 * 2 ** 20


class Server:
    """What both have in common: a process, a port, databases by name."""

    driver = ''
    user = ''
    admin_database = ''

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.port = free_port()
        self._made: set[str] = set()
        self._process = self._initialise()

    def _initialise(self) -> Process:
        """Make the data directory; returns the server, not started yet."""
        raise AssertionError('a subclass must tell')

    def start(self) -> None:
        """Start the server, or start it again with the data it had."""
        self._process.start()
        self._process.wait_for(lambda: listens(self.port), _BOOT_SECONDS)
        wait_until(self._answers, _BOOT_SECONDS, f'{self._process.name} to answer')

    def stop(self) -> None:
        """Stop the server; open connections are cut."""
        self._process.stop()

    def discard(self) -> None:
        """Remove what lies outside of the directory."""

    def kill9(self) -> None:
        """Kill the server with everything it forked."""
        self._process.kill9()

    def url(self, name: str) -> str:
        """Return the URL of a database, which is made when it is new."""
        if name not in self._made:
            self.execute(f'CREATE DATABASE {name}')
            self._made.add(name)
        return self._url(name)

    def existing(self, name: str) -> str:
        """Return the URL of a database that somebody else made, and removes."""
        return self._url(name)

    def execute(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        engine = sa.create_engine(self._url(self.admin_database), poolclass=sa.pool.NullPool,
                                  isolation_level='AUTOCOMMIT')
        with engine.connect() as conn:
            conn.exec_driver_sql(statement)

    def _url(self, name: str) -> str:
        return f'{self.driver}://{self.user}@127.0.0.1:{self.port}/{name}'

    def _answers(self) -> bool:
        try:
            self.execute('SELECT 1')
        except sa.exc.OperationalError:
            return False
        return True


class PostgreSQL(Server):
    """One PostgreSQL cluster; it refuses to run as root and then runs as the user postgres.

    That user cannot rely on pytest's own folder: each pytest that root starts closes it to all
    others, also under the servers of another run. So its data lies in a folder of its own.
    """

    driver = 'postgresql+psycopg2'
    user = 'cinder'
    admin_database = 'postgres'

    @staticmethod
    def programs() -> str | None:
        """The directory of the newest installed server, None where there is none."""
        found = sorted(glob.glob('/usr/lib/postgresql/*/bin/postgres'))
        return os.path.dirname(found[-1]) if found else None

    def _initialise(self) -> Process:
        programs, words = self.programs(), become('postgres')
        self.directory.mkdir(parents=True, exist_ok=True)
        self._home = home('postgres') if words else self.directory
        data = self._home / 'data'
        if not data.exists():
            subprocess.run([*words, f'{programs}/initdb', '--pgdata', str(data), '--username',
                            self.user, '--auth', 'trust', '--encoding', 'UTF8', '--no-sync',
                            '--locale', 'C.UTF-8'], check=True, stdout=subprocess.DEVNULL,
                           cwd=self._home)
        settings = {'port': self.port, 'listen_addresses': '127.0.0.1',
                    # In the data directory: not every machine has /dev/shm.
                    'dynamic_shared_memory_type': 'mmap',
                    # A commit is written, though not to the disk: it survives the server's death.
                    'unix_socket_directories': '', 'fsync': 'off', 'full_page_writes': 'off',
                    'max_connections': 400, 'shared_buffers': '256MB'}
        return Process('postgresql', [
            *words, f'{programs}/postgres', '-D', str(data),
            *(word for name, value in settings.items() for word in ('-c', f'{name}={value}'))],
            # The user may not see the folder in which the tests were started.
            self.directory / 'postgresql.log', cwd=self._home)

    def discard(self) -> None:
        if self._home != self.directory:
            shutil.rmtree(self._home)


class MariaDB(Server):
    """One MariaDB server, as whoever runs the tests."""

    driver = 'mysql+pymysql'
    user = 'root'
    admin_database = 'mysql'

    @staticmethod
    def programs() -> str | None:
        """The server program, None where it is not installed."""
        return shutil.which('mariadbd', path=os.environ.get('PATH', '') + ':/usr/sbin')

    def _initialise(self) -> Process:
        self.directory.mkdir(parents=True, exist_ok=True)
        data, user = self.directory / 'data', pwd.getpwuid(os.geteuid()).pw_name
        if not data.exists():
            subprocess.run(['mariadb-install-db', '--no-defaults', f'--datadir={data}',
                            f'--user={user}', '--auth-root-authentication-method=normal',
                            '--skip-test-db'], check=True, stdout=subprocess.DEVNULL)
        return Process('mariadb', [
            self.programs(), '--no-defaults', f'--datadir={data}', f'--user={user}',
            f'--port={self.port}', '--bind-address=127.0.0.1',
            f'--socket={self.directory / "socket"}', f'--pid-file={self.directory / "pid"}',
            '--innodb-flush-log-at-trx-commit=2', '--innodb-buffer-pool-size=256M',
            '--max-connections=400', '--skip-name-resolve'], self.directory / 'mariadb.log')

    def _url(self, name: str) -> str:
        return super()._url(name) + '?charset=utf8mb4'


def become(name: str) -> list[str]:
    """The words that make root run a command as another user; nothing for everybody else."""
    if os.geteuid():
        return []
    # Unlike runuser, it lets the server end with the tests when those are killed.
    return ['setpriv', '--reuid', name, '--regid', str(pwd.getpwnam(name).pw_gid), '--init-groups',
            '--pdeathsig', 'KILL', '--']


def home(user: str) -> pathlib.Path:
    """A new folder of the user's, in the first place with room that he can reach."""
    places = dict.fromkeys((tempfile.gettempdir(), '/tmp', '/var/tmp'))
    for place in places:
        if shutil.disk_usage(place).free < _ROOM:
            continue
        made = pathlib.Path(tempfile.mkdtemp(prefix=f'cinder-tests-{user}-', dir=place))
        owner = pwd.getpwnam(user)
        os.chown(made, owner.pw_uid, owner.pw_gid)
        if not subprocess.run([*become(user), 'test', '-w', made], check=False).returncode:
            return made
        made.rmdir()
    raise RuntimeError(f'{user} can write to none of {", ".join(places)}, or there is less than '
                       f'{_ROOM >> 20} MiB of room')


def started(kind: Callable[[pathlib.Path], Server], directory: pathlib.Path):
    """Context manager: a running server, stopped at the end."""
    @contextlib.contextmanager
    def run():
        server = kind(directory)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            server.discard()
    return run()


@contextlib.contextmanager
def in_use(url: str) -> Iterator[ModuleType]:
    """Use a new database in this process, with the tables of db sync; gives cinder.db.session."""
    objects.register_all()
    session.reset()
    CONF.set_override('connection', url, 'database')
    migration.db_sync()
    yield session
    session.reset()
    CONF.clear_override('connection', 'database')
