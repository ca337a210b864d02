# SPDX-License-Identifier: Apache-2.0
"""What the kernel and the databases say of a process: CPU seconds, memory, statements."""

import collections
import os
import pathlib
import statistics
from collections.abc import Callable, Iterable

from tests.functional import databases
from tests.functional.processes import children

TICKS = os.sysconf('SC_CLK_TCK')
# So much of a statement tells it from others; the values, which differ each time, come later.
_START = 60


def tree(pid: int) -> list[int]:
    """Return a process and all its living descendants."""
    found = [pid]
    for each in found:
        found.extend(children(each))
    return found


def cpu_seconds(pids: Iterable[int], reaped: bool = False) -> float:
    """Return user and system time of processes, ended threads included (proc(5), stat).

    :param reaped: count the children that have ended, too
    """
    ticks = 0
    for pid in pids:
        # The name in parentheses may hold blanks, so count from behind it.
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        ticks += sum(map(int, fields[11:15 if reaped else 13]))
    return ticks / TICKS


def pss_mebibytes(pid: int, kind: str = 'Pss') -> float:
    """Return the proportional set size of a process (proc(5), smaps_rollup).

    :param kind: 'Pss_Anon' is the part of it that no file is behind
    """
    for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
        if line.startswith(f'{kind}:'):
            return int(line.split()[1]) / 1024
    raise ValueError(f'process {pid} tells no {kind}')


def memory_alone(pids: Iterable[int]) -> float:
    """Return the MiB that processes hold together, whatever other programs run: their PSS if pages
    of files that those have mapped as well were shared with nobody else (proc(5), smaps)."""
    pids, files = list(pids), collections.Counter()
    for pid in pids:
        for line in pathlib.Path(f'/proc/{pid}/smaps').read_text().splitlines():
            name, *words = line.split()
            if not name.endswith(':'):
                place = words[1:4]  # offset, device, inode
            elif name == 'Rss:':
                resident = int(words[0])
            elif name == 'Anonymous:' and place[2] != '0':
                files[tuple(place)] = max(files[tuple(place)], resident - int(words[0]))
    return sum(pss_mebibytes(pid, 'Pss_Anon') for pid in pids) + files.total() / 1024


def percentile(values: list[float], percent: int) -> float:
    """Return the value that so many percent of the values do not exceed."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method='inclusive')[percent - 1]


class Statements:
    """Counts what a server is asked while a function runs, by its own log of statements."""

    # What opens and closes transactions is a round trip as well, but not a statement of ours.
    _FRAMES = ('BEGIN', 'COMMIT', 'ROLLBACK', 'SET ', 'START TRANSACTION')
    # What SQLAlchemy and this class send on a new connection.
    _OVERHEAD = ('pg_catalog.version()', 'current_schema()', 'show ', 'SELECT t.oid',
                 'SELECT VERSION()', 'SELECT DATABASE()', 'SELECT @@', 'log_statement',
                 'general_log', 'pg_reload_conf')

    def __init__(self, server: databases.Server):
        self._server = server
        self._postgresql = isinstance(server, databases.PostgreSQL)
        self._log = server.directory / ('postgresql.log' if self._postgresql else 'general.log')

    def during(self, run: Callable[[], object]) -> list[str]:
        """Run a function and return the statements of that time, without transaction frames."""
        self._switch(True)
        start = self._log.stat().st_size if self._log.exists() else 0
        try:
            run()
        finally:
            self._switch(False)
        with self._log.open('rb') as log:
            log.seek(start)
            lines = log.read().decode(errors='replace').splitlines()
        marker = 'statement: ' if self._postgresql else ' Query\t'
        texts = [line.partition(marker)[2].strip() for line in lines if marker in line]
        return [text for text in texts if not text.upper().startswith(self._FRAMES)
                and not any(words in text for words in self._OVERHEAD)]

    def per_request(self, run: Callable[[], object], number: int) -> collections.Counter[str]:
        """Run a function that sends `number` requests; return statements of one, by their start.

        What comes less than every other time belongs to heartbeats and not to the requests.
        """
        seen = collections.Counter(text[:_START] for text in self.during(run))
        return collections.Counter({text: round(times / number) for text, times in seen.items()
                                    if round(times / number)})

    def _switch(self, on: bool) -> None:
        if self._postgresql:
            self._server.execute(f"ALTER SYSTEM SET log_statement = '{'all' if on else 'none'}'")
            self._server.execute('SELECT pg_reload_conf()')
        else:
            self._server.execute(f"SET GLOBAL general_log_file = '{self._log}'")
            self._server.execute(f'SET GLOBAL general_log = {int(on)}')
