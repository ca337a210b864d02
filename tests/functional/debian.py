# SPDX-License-Identifier: Apache-2.0
"""An empty Debian 12 in a folder, with processes and a loopback network of its own, in which a test
types what a page says. What is typed is the test's business.

The first processes of the machine are made by this file too, run as a program inside of it.
"""

import contextlib
import datetime
import fcntl
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import urllib.parse

from tests.functional.processes import Process, wait_until
from tests.functional.suite import ROOT

RELEASE = 'bookworm'
CACHE = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache')).expanduser() / 'cinder-tests'
CERTIFICATES = pathlib.Path('/etc/ssl/certs/ca-certificates.crt')
PROXY = ('127.0.0.1', 3128)
# Where the machine has this tree: a folder of root's, as a clone would be.
TREE = 'root/cinder'
# A line of an old or a new list of sources.
_MIRROR = re.compile(r'(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+/debian)/?(?:\s|$)')
NOT_COPIED = ('.git', '.venv', '.tox', 'build', '*.egg-info', '__pycache__', '.*_cache',
              '.hypothesis')
# Folder of the host -> folder of the machine: what was downloaded once.
SHARED = {'apt': 'var/cache/apt/archives', 'pip': 'root/.cache/pip'}


def lacking() -> str | None:
    """Why there can be no such machine here; None where there can."""
    if os.geteuid() != 0:
        return 'a Debian in a folder needs root'
    for program in ('debootstrap', 'unshare', 'tar'):
        if not shutil.which(program):
            return f'{program} is not installed'
    if _mirror() is None:
        return 'no mirror of Debian is in /etc/apt'
    made = subprocess.run(['unshare', '--mount', '--net', '--pid', '--fork', 'true'],
                          capture_output=True, text=True, check=False)
    return f'no namespaces here: {made.stderr.strip()}' if made.returncode else None


def _mirror() -> str | None:
    """The first mirror that the host itself uses, which is not that of the security updates."""
    for path in sorted(pathlib.Path('/etc/apt').glob('sources.list*/*')) + [
            pathlib.Path('/etc/apt/sources.list')]:
        text = path.read_text() if path.is_file() else ''
        for line in text.splitlines():
            found = _MIRROR.match(line)
            if found:
                return found[1]
    return None


def _base() -> pathlib.Path:
    """An archive of an empty Debian, made once a week."""
    year, week, _day = datetime.date.today().isocalendar()
    archive = CACHE / f'debian-{RELEASE}-{year}-{week:02}.tar'
    if archive.exists():
        return archive
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f'{archive.stem}.{os.getpid()}'
    try:
        subprocess.run(['debootstrap', '--variant=minbase', '--include=ca-certificates', RELEASE,
                        folder, _mirror()], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(['tar', '--one-file-system', '-cf', f'{archive}.new', '-C', folder, '.'],
                       check=True)
        os.replace(f'{archive}.new', archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for old in CACHE.glob('debian-*.tar'):
        if old != archive:
            old.unlink()
    return archive


class Machine:
    """One empty Debian; its files are gone when it is closed, its processes before.

    :param folder: for all that belongs to it
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.root, self.log = folder / 'debian', folder / 'debian.log'
        self._proxy: Proxy | None = None
        self._process: Process | None = None

    def __enter__(self) -> 'Machine':
        self.root.mkdir(parents=True)
        subprocess.run(['tar', '-xf', _base(), '-C', self.root], check=True)
        shutil.copytree(ROOT, self.root / TREE, symlinks=True,
                        ignore=shutil.ignore_patterns(*NOT_COPIED))
        (self.root / 'etc/hosts').write_text('127.0.0.1 localhost debian\n::1 localhost\n')
        (self.root / 'etc/hostname').write_text('debian\n')
        # Whom the host trusts: it may reach the package index through somebody of its own.
        shutil.copy(CERTIFICATES, self.root / str(CERTIFICATES)[1:])
        # Services start with their installation, as they do on a machine that was booted; and some
        # of what takes long without being of use here is left out.
        policy = self.root / 'usr/sbin/policy-rc.d'
        policy.write_text('#!/bin/sh\nexit 0\n')
        policy.chmod(0o755)
        (self.root / 'etc/dpkg/dpkg.cfg.d/fast').write_text(
            'force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n')
        systemctl = self.root / 'usr/local/bin/systemctl'
        shutil.copy(ROOT / 'tests/functional/systemctl.py', systemctl)
        systemctl.chmod(0o755)
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._process:
            self._process.kill9()
        if self._proxy:
            self._proxy.close()
        shutil.rmtree(self.root)

    def run(self, script: str, seconds: float) -> Process:
        """Have root type a script in the folder of the tree, and return when that is done.

        :raises TimeoutError: it is not done after that many seconds
        """
        # What is typed stands in the log with its time; root's bash takes this from no environment.
        (self.root / 'root/typed').write_text("PS4='\\t + '\n" + script)
        ours, theirs = socket.socketpair()
        # With its first process ends the namespace, and all that the script has left.
        self._process = Process('debian', [
            'unshare', '--mount', '--net', '--uts', '--ipc', '--pid', '--fork', '--kill-child',
            sys.executable, '-m', 'tests.functional.debian', str(self.root),
            str(theirs.fileno())], self.log, self._environment())
        self._process.pass_fds = (theirs.fileno(),)
        self._process.start()
        theirs.close()
        with contextlib.closing(ours):
            ours.settimeout(30)
            _data, (listener, *_none), _flags, _address = socket.recv_fds(ours, 1, 1)
        self._proxy = Proxy(socket.socket(fileno=listener))
        self._proxy.start()
        wait_until(lambda: not self._process.running, seconds,
                   lambda: f'the machine: {self._process.tail(30)}', 0.2)
        return self._process

    def _environment(self) -> dict[str, str]:
        """What root has there; little of it is the host's."""
        own = {name: value for name, value in os.environ.items() if name in (
            'PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'PIP_TRUSTED_HOST', 'PIP_DEFAULT_TIMEOUT')}
        proxy = 'http://{}:{}'.format(*PROXY)
        return own | {
            'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
            'HOME': '/root', 'PYTHONPATH': str(ROOT),
            'PIP_CERT': str(CERTIFICATES), 'DEBIAN_FRONTEND': 'noninteractive',
            'http_proxy': proxy, 'https_proxy': proxy,
            'no_proxy': '127.0.0.1,localhost'}


class Proxy(threading.Thread):
    """Takes the machine's requests to mirrors and indexes out of its network, and nothing else.

    :param listener: a socket that listens in there
    """

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(daemon=True)
        self._listener = listener

    def close(self) -> None:
        self._listener.close()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                inside, _address = self._listener.accept()
                threading.Thread(target=self._serve, args=(inside,), daemon=True).start()

    def _serve(self, inside: socket.socket) -> None:
        with inside, contextlib.suppress(OSError):
            head = b''
            while b'\r\n\r\n' not in head:
                received = inside.recv(65536)
                if not received:
                    return
                head += received
            method, target, _rest = head.decode('latin-1').split(' ', 2)
            upstream = os.environ.get('https_proxy' if method == 'CONNECT' else 'http_proxy')
            url = urllib.parse.urlsplit(upstream or (
                f'//{target}' if method == 'CONNECT' else target))
            with socket.create_connection((url.hostname, url.port or 80), 60) as outside:
                outside.settimeout(None)
                if method == 'CONNECT' and not upstream:
                    inside.sendall(b'HTTP/1.1 200 Connected\r\n\r\n')
                else:
                    # Servers take a whole URL in the first line too (RFC 9112, 3.2.2).
                    outside.sendall(head)
                back = threading.Thread(target=_pump, args=(outside, inside), daemon=True)
                back.start()
                _pump(inside, outside)
                back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


# ------------------------------------------------------------------------------ inside, as root
def _inside(root: pathlib.Path, parent: int) -> None:
    """Make the machine's network and mounts, go there and type."""
    socket.sethostname('debian')
    with socket.socket() as control:
        # struct ifreq: name, IFF_UP | IFF_RUNNING; SIOCSIFFLAGS
        fcntl.ioctl(control, 0x8914, struct.pack('16sh', b'lo', 0x41))
    listener = socket.create_server(PROXY)
    with socket.socket(fileno=parent) as channel:
        socket.send_fds(channel, [b'x'], [listener.fileno()])
    for kind, place in (('proc', 'proc'), ('tmpfs', 'run'), ('tmpfs', 'dev/shm')):
        (root / place).mkdir(exist_ok=True)
        subprocess.run(['mount', '-t', kind, kind, root / place], check=True)
    for name, place in SHARED.items():
        (CACHE / name).mkdir(parents=True, exist_ok=True)
        (root / place).mkdir(parents=True, exist_ok=True)
        subprocess.run(['mount', '--bind', CACHE / name, root / place], check=True)
    os.chroot(root)
    os.chdir(f'/{TREE}')
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    # Not this process, the first of its namespace: that would have to adopt the daemons' children.
    typed = subprocess.run(['bash', '-eux', '/root/typed'], env=environment, check=False)
    raise SystemExit(typed.returncode)


if __name__ == '__main__':
    _inside(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
