# SPDX-License-Identifier: Apache-2.0
"""A small Ceph cluster in one folder: monitor, manager and one OSD on a sparse file, on loopback.

For tests and tools/quickstart --ceph; plain Python and Debian's packages. As a program:
`tools/ceph_cluster.py FOLDER start|stop`.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence

PROGRAMS = ('ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-authtool', 'monmaptool')
# Debian's packages; bindep.txt has them in the profiles test and ceph.
PACKAGES = 'ceph-mon ceph-mgr ceph-osd ceph-common python3-rados python3-rbd'
# Debian's own Python has the bindings wherever they are installed.
PYTHON = '/usr/bin/python3'
# Name of a daemon -> its program and id.
DAEMONS = {'mon.a': ('ceph-mon', 'a'), 'mgr.x': ('ceph-mgr', 'x'), 'osd.0': ('ceph-osd', '0')}
GIB = 2 ** 30
# Runs commands of the monitor, one after the other; a `ceph` process takes half a second for each.
_ASK = '''
import json, rados, sys
with rados.Rados(conffile=sys.argv[1], rados_id='admin') as cluster:
    answers = []
    for command in json.loads(sys.argv[2]):
        status, out, said = cluster.mon_command(json.dumps(command), b'')
        if status:
            sys.exit(f"{command['prefix']}: {said} ({status})")
        answers.append(out.decode())
print(json.dumps(answers))
'''
_CONF = '''\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{port}/0]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind port min = {low}
ms bind port max = {high}
keyring = {folder}/keyring
run dir = {folder}/run
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
log to stderr = false
crash dir = {folder}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rbd default features = 61
[mon]
admin socket = {folder}/run/$name.asok
mon data = {folder}/mon
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon data avail warn = 2
mon data avail crit = 1
auth allow insecure global id reclaim = false
mon cluster log file = {folder}/log/cluster.log
paxos propose interval = 0.05
paxos min wait = 0.01
[mgr]
admin socket = {folder}/run/$name.asok
mgr data = {folder}/mgr
mgr initial modules =
mgr stats period = 1
[osd]
admin socket = {folder}/run/$name.asok
osd data = {folder}/osd
osd objectstore = bluestore
osd memory target = 939524096
bluestore block size = {size}
bluestore cache autotune = false
bluestore cache size = 67108864
osd op num shards = 2
osd op num threads per shard = 1
osd class update on start = false
osd client watch timeout = 5
'''
# A client of tests waits for seconds where Ceph would wait for ever.
_CLIENT = '''\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{port}/0]
ms bind ipv6 = false
keyring = {folder}/client/$cluster.$name.keyring
log file = /dev/null
rbd default features = 61
[client]
rados osd op timeout = {timeout}
rados mon op timeout = {timeout}
client mount timeout = {timeout}
'''


class Trouble(Exception):
    """Ceph said why it does not start; or what is not installed."""


def lacking() -> str | None:
    """Return why no cluster can be started here, None if one can."""
    path = os.pathsep.join((os.environ.get('PATH', ''), '/usr/bin', '/usr/sbin'))
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    return f'{", ".join(missing)} not found; packages: {PACKAGES}' if missing else None


class Cluster:
    """One cluster; several run side by side.

    :param folder: where all its files lie; one that was started before goes on with its data
    :param pools: pools for RBD images
    :param users: name of a client -> pools that it may use, with the rights of `profile rbd`
    :param name: of the cluster, and of the files for its clients
    :param size: bytes of the OSD; a sparse file
    :param timeout: seconds after which a request of a client that uses `conf` fails
    """

    def __init__(self, folder: pathlib.Path, pools: Sequence[str] = ('volumes',),
                 users: Mapping[str, Sequence[str]] | None = None, name: str = 'ceph',
                 size: int = 10 * GIB, timeout: int = 5) -> None:
        self.folder, self.name, self.pools = pathlib.Path(folder).absolute(), name, tuple(pools)
        self.users = {'cinder': self.pools} if users is None else dict(users)
        self.size, self.timeout = size, timeout
        self.client = self.folder / 'client'
        # What a client is told: rbd_ceph_conf. The keyring of each user lies beside it.
        self.conf = self.client / f'{name}.conf'
        self._conf = self.folder / 'daemons.conf'
        self._keyring = self.folder / 'keyring'

    def keyring(self, user: str) -> pathlib.Path:
        """Return the file with the key of a client."""
        return self.client / f'{self.name}.client.{user}.keyring'

    def key(self, user: str) -> str:
        """Return the key of a client."""
        return self._run('ceph-authtool', str(self.keyring(user)), '-n', f'client.{user}',
                         '--print-key').strip()

    # ------------------------------------------------------------------------------------ life
    def start(self) -> None:
        """Start what does not run, and return when the pools can be used.

        :raises Trouble: with what Ceph said
        """
        if reason := lacking():
            raise Trouble(reason)
        fresh = not self._conf.exists()
        if fresh:
            self._make()
        for daemon in DAEMONS:
            if not self.pid(daemon):
                if daemon == 'osd.0' and not (self.folder / 'osd' / 'whoami').exists():
                    self._make_osd()
                self.start_daemon(daemon)
        self.wait_up()
        if fresh:
            self._make_pools(self.pools)

    def stop(self) -> None:
        """Kill every daemon; bluestore loses nothing."""
        for daemon in reversed(DAEMONS):
            self.kill(daemon)

    def start_daemon(self, daemon: str) -> None:
        """Start one of DAEMONS; it goes to the background by itself."""
        program, ident = DAEMONS[daemon]
        self._run(program, '-i', ident)

    def kill(self, daemon: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one of DAEMONS; after SIGKILL or SIGTERM wait until it has ended."""
        pid = self.pid(daemon)
        if not pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._wait(lambda: not self.pid(daemon), 30, f'the end of {daemon}')

    def pid(self, daemon: str) -> int | None:
        """Return the process id of one of DAEMONS, None if it does not run."""
        program, ident = DAEMONS[daemon]
        try:
            pid = int((self.folder / 'run' / f'{daemon}.pid').read_text())
            command = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
            state = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
        except (OSError, ValueError):
            return None
        # The file outlives its process, whose number another one may have by now.
        return pid if command[0].endswith(program.encode()) and state not in 'ZX' else None

    def wait_up(self, seconds: float = 60) -> None:
        """Wait until the OSD is up and its placement groups answer."""
        def is_up() -> bool:
            stat = json.loads(self.ask({'prefix': 'osd stat', 'format': 'json'})[0])
            return int(stat['num_up_osds']) == 1
        self._wait(is_up, seconds, 'the OSD', 0.2)

    # ---------------------------------------------------------------------------------- requests
    def ask(self, *commands: Mapping[str, object]) -> list[str]:
        """Send commands to the monitor as an administrator and return the answers.

        :param commands: such as {'prefix': 'df', 'format': 'json'}
        :raises Trouble: one is refused
        """
        return list(json.loads(self._run(PYTHON, '-c', _ASK, str(self._conf),
                                         json.dumps(commands))))

    def rbd(self, *arguments: str) -> str:
        """Run the rbd command as an administrator and return its output."""
        return self._run('rbd', *arguments)

    def add_pool(self, *pools: str) -> None:
        """Make further pools for RBD images."""
        self._make_pools(pools)

    def add_user(self, user: str, caps: Mapping[str, str]) -> None:
        """Make a client and its keyring.

        :param caps: service -> rights, as {'mon': 'profile rbd'}
        """
        pairs = [word for pair in caps.items() for word in pair]
        self.keyring(user).write_text(self.ask(
            {'prefix': 'auth get-or-create', 'entity': f'client.{user}', 'caps': pairs})[0])

    # ---------------------------------------------------------------------------------- beginning
    def _make(self) -> None:
        for name in ('mon', 'mgr', 'osd', 'run', 'log', 'crash', 'client'):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        low = random.randrange(15000, 25000)  # nosec B311 # ports
        facts = {'fsid': uuid.uuid4(), 'port': _free_port(), 'folder': self.folder, 'low': low,
                 'high': low + 500, 'size': self.size, 'timeout': self.timeout}
        self._conf.write_text(_CONF.format(**facts))
        self.conf.write_text(_CLIENT.format(**facts))
        self._make_keys()
        monmap = str(self.folder / 'monmap')
        self._run('monmaptool', '--create', '--addv', 'a', f'[v2:127.0.0.1:{facts["port"]}]',
                  '--fsid', str(facts['fsid']), monmap)
        # The monitor takes all keys of the keyring over.
        self._run('ceph-mon', '-i', 'a', '--mkfs', '--monmap', monmap,
                  '--keyring', str(self._keyring))

    def _make_keys(self) -> None:
        everything = {'mon': 'allow *', 'osd': 'allow *', 'mgr': 'allow *'}
        entities = {
            'mon.': {'mon': 'allow *'}, 'client.admin': everything,
            'mgr.x': {'mon': 'allow profile mgr', 'osd': 'allow *'},
            'osd.0': {'mon': 'allow profile osd', 'mgr': 'allow profile osd', 'osd': 'allow *'},
            **{f'client.{user}': rights(pools) for user, pools in self.users.items()}}
        self._run('ceph-authtool', '-C', str(self._keyring))
        for entity, caps in entities.items():
            words = [word for pair in caps.items() for word in ('--cap', *pair)]
            self._run('ceph-authtool', str(self._keyring), '--gen-key', '-n', entity, *words)
        for user in ('admin', *self.users):
            key = self._run('ceph-authtool', str(self._keyring), '-n', f'client.{user}',
                            '--print-key')
            self.keyring(user).write_text(f'[client.{user}]\nkey = {key.strip()}\n')

    def _make_osd(self) -> None:
        ident = str(uuid.uuid4())
        self.ask({'prefix': 'osd new', 'uuid': ident})
        self._run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', ident)

    def _make_pools(self, pools: Sequence[str]) -> None:
        self.ask(*(command for pool in pools for command in (
            {'prefix': 'osd pool create', 'pool': pool, 'pg_num': 8},
            {'prefix': 'osd pool application enable', 'pool': pool, 'app': 'rbd'})))
        for pool in pools:
            self.rbd('pool', 'init', pool)
        # Without figures of its pool a back end does not start.
        self._wait(lambda: {pool['name'] for pool in json.loads(self.ask(
            {'prefix': 'df', 'format': 'json'})[0])['pools']} >= set(pools), 120, 'figures', 0.2)

    def _run(self, *argv: str) -> str:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env=os.environ | {'CEPH_CONF': str(self._conf),
                              'PATH': f'{os.environ.get("PATH", "")}:/usr/bin:/usr/sbin'})
        if done.returncode:
            raise Trouble(f'{" ".join(argv)[:200]}: exit status {done.returncode}: '
                          f'{done.stderr.strip()[-1000:]}')
        return done.stdout

    @staticmethod
    def _wait(ask, seconds: float, what: str, pause: float = 0.05) -> None:
        deadline = time.monotonic() + seconds
        while not ask():
            if time.monotonic() > deadline:
                raise Trouble(f'waited {seconds} s for {what}')
            time.sleep(pause)


def rights(pools: Sequence[str]) -> dict[str, str]:
    """Return the least rights of a client that uses these pools."""
    of_pools = ', '.join(f'profile rbd pool={pool}' for pool in pools)
    return {'mon': 'profile rbd', 'osd': of_pools, 'mgr': of_pools}


def _free_port() -> int:
    """Return a port that nobody listens on, outside of those that connections get."""
    while True:
        port = random.randrange(25500, 32000)  # nosec B311 # as above
        with socket.socket() as sock:
            if sock.connect_ex(('127.0.0.1', port)):
                return port


def main(folder: str, verb: str) -> None:
    """Start or stop the cluster of a folder."""
    cluster = Cluster(pathlib.Path(folder))
    {'start': cluster.start, 'stop': cluster.stop}[verb]()


if __name__ == '__main__':
    if len(sys.argv) != 3 or sys.argv[2] not in ('start', 'stop'):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except Trouble as exc:
        sys.exit(str(exc))
