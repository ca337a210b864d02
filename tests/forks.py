# SPDX-License-Identifier: Apache-2.0
"""Clean Python processes for tests, without the second of CPU time that each start takes.

One process, started anew, has imported what the programs need, and is forked for each that a test
runs: none has what the tests have registered, patched or left. Run as a module, this is it.
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import traceback

_IMPORTED = ('cinder.cmd.manage', 'cinder.coordination')
_LONGEST = 65536
_PATIENCE = 60


class Server:
    """The process that is forked."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen([sys.executable, '-m', __name__], stdin=theirs,
                                             cwd=pathlib.Path(__file__).parents[1])

    def start(self, code: str, *argv: str) -> 'Process':
        """Start Python code with these arguments."""
        return Process(self.socket, code, argv)

    def run(self, code: str, *argv: str) -> subprocess.CompletedProcess:
        """Run Python code to its end; its output is text."""
        with Process(self.socket, code, argv) as process:
            process.stdin.close()
            # Less than a pipe holds, as all that the tests look at.
            out, err = process.stdout.read(), process.stderr.read()
            return subprocess.CompletedProcess(argv, process.wait(), out, err)

    def close(self) -> None:
        self.socket.close()
        self._process.wait(_PATIENCE)


class Process:
    """Python code that runs in a process of its own, with pipes to its `stdin`, `stdout` and
    `stderr`; it is killed where the block ends."""

    def __init__(self, server: socket.socket, code: str, argv: tuple[str, ...]) -> None:
        (at_in, to), (out, at_out), (err, at_err) = (os.pipe() for _ in range(3))
        with contextlib.ExitStack() as opened:
            self.stdin = opened.enter_context(open(to, 'w'))
            self.stdout, self.stderr = map(opened.enter_context, map(open, (out, err)))
            self._files = opened.pop_all()
        self._monitor, monitored = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._monitor.settimeout(_PATIENCE)
        theirs = (at_in, at_out, at_err, monitored.detach())
        socket.send_fds(server, [json.dumps((code, argv)).encode()], theirs)
        for number in theirs:
            os.close(number)
        self._pid = int(self._monitor.recv(_LONGEST))
        self._status: int | None = None

    def wait(self) -> int:
        """Return its exit status, or the negative number of the signal that ended it."""
        if self._status is None:
            self._status = int(self._monitor.recv(_LONGEST))
        return self._status

    def kill(self) -> None:
        """Return when it has ended. Its number is its own until the monitor is let go."""
        os.kill(self._pid, signal.SIGKILL)
        self.wait()

    def __enter__(self) -> 'Process':
        return self

    def __exit__(self, *_exc) -> None:
        self.kill()
        self._monitor.close()
        with contextlib.suppress(BrokenPipeError):  # what it did not read any more
            self._files.close()


def serve(server: socket.socket) -> None:
    """Fork a process for each request, until nobody can send one any more."""
    for name in _IMPORTED:
        __import__(name)
    while True:
        request, files, *_flags = socket.recv_fds(server, _LONGEST, 4)
        if request and not os.fork():
            server.close()
            _monitor(*json.loads(request), files)
        for number in files:
            os.close(number)
        # All of them when there will be no more, so that their CPU time is counted.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG if request else 0)[0]:
                pass
        if not request:
            return


def _monitor(code: str, argv: list[str], files: list[int]) -> None:
    """Start the process, tell its number and at last its status; does not return."""
    try:
        *standard, to = files
        pid = os.fork()
        if not pid:
            os.close(to)
            for number, standard_number in zip(standard, range(3), strict=True):
                os.dup2(number, standard_number)
                os.close(number)
            os._exit(_run(code, argv))
        for number in standard:
            os.close(number)
        with socket.socket(fileno=to) as told:
            told.send(str(pid).encode())
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            exited = ended.si_code == os.CLD_EXITED
            told.send(str(ended.si_status if exited else -ended.si_status).encode())
            told.recv(1)
        os.waitpid(pid, 0)
    finally:
        os._exit(0)


def _run(code: str, argv: list[str]) -> int:
    """Run the code as Python does a program, and return the status."""
    sys.argv[1:] = argv
    try:
        exec(compile(code, '<test>', 'exec'), {'__name__': '__main__'})
        status: object = None
    except SystemExit as exc:
        status = exc.code
    except BaseException:
        status = traceback.format_exc()
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


if __name__ == '__main__':
    serve(socket.socket(fileno=os.dup(0)))
    os._exit(0)
