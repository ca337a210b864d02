# SPDX-License-Identifier: Apache-2.0
"""Server processes of the functional tests: start, watch, kill and stop them by process id.

What a server is told on its command line is left to rabbit.py, tgt.py, databases.py and suite.py.
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Ask the kernel to kill this child when the test run itself is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def listens(port: int) -> bool:
    """Return whether a connection to this loopback port is accepted."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(('127.0.0.1', port)) == 0


@contextlib.contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Let processes stand still for the length of a block."""
    pids = tuple(pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def wait_until(ask: Callable[[], object], seconds: float, what: str, pause: float = 0.05):
    """Ask until the answer is true and return it.

    :param seconds: how long to go on asking
    :param what: what is waited for, for the message; a callable is asked for it at the end
    :raises TimeoutError: when the time is over
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f'waited {seconds} s for {what() if callable(what) else what}')
        time.sleep(pause)


class Process:
    """One server process in a process group of its own, its output in a file."""

    def __init__(self, name: str, argv: list[str], log: pathlib.Path,
                 env: dict[str, str] | None = None, cwd: pathlib.Path | None = None):
        self.name = name
        self.argv = argv
        self.log = log
        self.env = env
        self.cwd = cwd
        self.pass_fds: tuple[int, ...] = ()
        self._popen: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        """The id of the process started last."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_status(self) -> int | None:
        return self._popen.poll()

    def start(self) -> None:
        """Start it; what it prints is added to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open('ab') as log:
            self._popen = subprocess.Popen(
                self.argv, env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=_die_with_parent,
                pass_fds=self.pass_fds)

    def children(self) -> list[int]:
        """Return the ids of the living direct children (forked workers, back ends)."""
        return children(self.pid)

    def signal(self, number: int) -> None:
        """Send a signal to the process itself."""
        os.kill(self.pid, number)

    def kill9(self) -> None:
        """Kill the process and all it forked, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def stop(self, seconds: float = 20) -> None:
        """Ask it to end, and kill the group when it has not after some seconds."""
        if self._popen is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        self.kill9()

    def wait_for(self, ready: Callable[[], object], seconds: float) -> None:
        """Wait until it is ready.

        :raises RuntimeError: with the end of its log, when it exits or stays silent
        """
        try:
            wait_until(lambda: not self.running or ready(), seconds, f'{self.name} to be ready')
        except TimeoutError as exc:
            raise RuntimeError(f'{exc}\n{self.tail()}') from None
        if not self.running:
            raise RuntimeError(
                f'{self.name} ended with status {self.exit_status}\n{self.tail()}')

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(errors='replace') if self.log.exists() else ''
        return '\n'.join(text.splitlines()[-lines:])


def children(pid: int) -> list[int]:
    """Return the ids of the living direct children of a process (proc(5), task/TID/children)."""
    path = pathlib.Path(f'/proc/{pid}/task/{pid}/children')
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        return []


@contextlib.contextmanager
def running(process: Process, ready: Callable[[], object], seconds: float = 60
            ) -> Iterator[Process]:
    """Run a process for the length of a block."""
    process.start()
    try:
        process.wait_for(ready, seconds)
        yield process
    finally:
        process.stop()
