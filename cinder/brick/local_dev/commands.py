# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of one volume group: the order of commands, retries after a crash, and the time
after which LVM counts as hung. lvm.py decides which commands run; privsep starts the processes."""
import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable, Iterator

from cinder import exception, fair_lock, fault_points
from cinder.brick.local_dev import reports
from cinder.privsep import command

LOG = logging.getLogger(__name__)

REPORT_SECONDS = 20.0
CHANGE_SECONDS = 60.0
# Seconds without a report after which the group counts as hung, whatever other commands end.
LONGEST_BUSY = 30.0
# Exit code for SIGSEGV in a shell: lvs sometimes crashes and works the next time.
CRASHED = 139
REPORTS, CHANGES = 'lvm reports', 'lvm changes'


class Commands:
    """Runs commands; lvm.LVM describes the parameters.

    :ivar execute: the given executor, or the function that starts processes
    :ivar answered: lane -> time of its last answer, by time.monotonic()
    :ivar changes: number of changes; what was read before the last change is out of date
    """

    def __init__(self, vg_name: str, root_helper: str | None, executor: Callable | None,
                 lvm_conf: str | None, suppress_fd_warn: bool, tries: int) -> None:
        self.vg_name = vg_name
        self.execute = executor or command.execute
        self._run = functools.partial(
            self.execute, run_as_root=True, root_helper=root_helper,
            env_variables=_environment(lvm_conf, suppress_fd_warn))
        self._changing = fair_lock.FairLock()
        # Two lanes, so that a report does not wait for all queued changes.
        self._lanes = executor is None
        self.changes = 0
        self.answered = dict.fromkeys((REPORTS, CHANGES), 0.0)
        self._tries = tries

    def change(self, *argv: str, timeout: float | None = CHANGE_SECONDS) -> None:
        """Run a command that changes the group, and count it, whatever its result."""
        with self.turn(argv[0], timeout):
            try:
                with fault_points.around(f'lvm:{argv[0]}'):
                    self.run(CHANGES, *argv, timeout=timeout)
            finally:
                self.changes += 1

    @contextlib.contextmanager
    def turn(self, program: str, timeout: float | None = CHANGE_SECONDS) -> Iterator[None]:
        """Hold the turn of the group for one change, so that the first commands of many copies do
        not delay other work. A queue that moves on may be long. A thread that suspends volumes
        holds several turns: another change would resume them."""
        began = time.monotonic()

        def moves_on() -> bool:
            nonlocal began
            since, began = began, time.monotonic()
            return self.answered[CHANGES] >= since

        if not self._changing.acquire(timeout=timeout, go_on=moves_on):
            raise reports.Overdue(data=f'{program}: an earlier command is still running')
        try:
            yield
        finally:
            self._changing.release()

    def report(self, section: str, program: str, fields: str,
               *names: str, timeout: float = REPORT_SECONDS) -> list[dict[str, str]]:
        """Return the rows of a report.

        :param section: section of the report, such as 'lv' of lvs
        :raises BadReport: the report cannot be read after all tries
        """
        for left in reversed(range(self._tries)):
            out = self.run(REPORTS, program, *reports.ARGUMENTS, fields, *names, timeout=timeout)
            try:
                return reports.rows(section, out)
            except reports.BadReport:
                LOG.warning('%s returned a report that cannot be read: %.200r', program, out)
                if not left:
                    raise

    def run(self, lane: str, *argv: str, timeout: float | None) -> str:
        """Run a command and return its output.

        :param lane: REPORTS or CHANGES
        :raises LVMError: the error that reports.to_error() returns, or a timeout
        """
        where = {'lane': f'{lane} of {self.vg_name}'} if self._lanes else {}
        began = time.monotonic()
        for left in reversed(range(self._tries)):
            try:
                out, err = self._run(*argv, timeout=timeout, **where)
            except command.CommandOverdue as exc:
                error = reports.Busy if self._is_busy(lane, began) else reports.Overdue
                raise error(data=f'{argv[0]}: {exc.stderr}') from exc
            except exception.ProcessExecutionError as exc:
                if exc.exit_code != CRASHED or not left:
                    raise reports.to_error(argv[0], exc) from exc
                LOG.warning('%s crashed; it is run again', argv[0])
            else:
                self.answered[lane] = time.monotonic()
                if err:
                    LOG.debug('%s: %s', argv[0], err.strip())
                return out

    def _is_busy(self, lane: str, began: float) -> bool:
        """Return whether other commands were answered since `began`: a report may wait for changes,
        which lock the group, but not for ever."""
        fresh = time.monotonic() - self.answered[REPORTS] < LONGEST_BUSY
        return self.answered[lane] > began or (fresh and max(self.answered.values()) > began)


def _environment(lvm_conf: str | None, suppress_fd_warn: bool) -> dict[str, str]:
    env = {'LVM_SYSTEM_DIR': os.path.dirname(lvm_conf)} if lvm_conf else {}
    return {**env, 'LVM_SUPPRESS_FD_WARNINGS': '1'} if suppress_fd_warn else env
