# SPDX-License-Identifier: Apache-2.0
"""How the commands of one volume group are run: whose turn it is, how often one that crashed is
tried again, when LVM counts as hung. What they are, lvm.py knows; processes start in privsep."""
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
# Without a report for so long the group counts as hung, whatever else comes to its end.
LONGEST_BUSY = 30.0
# The shell's way to tell of SIGSEGV: lvs has died so now and then, and been well the next time.
CRASHED = 139
REPORTS, CHANGES = 'lvm reports', 'lvm changes'


class Commands:
    """The parameters are explained in lvm.LVM.

    :ivar execute: the executor that was given, or what starts processes here
    :ivar answered: lane -> when it last gave an answer, by time.monotonic()
    :ivar changes: how many changes there were: what was read before the last one is out of date
    """

    def __init__(self, vg_name: str, root_helper: str | None, executor: Callable | None,
                 lvm_conf: str | None, suppress_fd_warn: bool, tries: int) -> None:
        self.vg_name = vg_name
        self.execute = executor or command.execute
        self._run = functools.partial(
            self.execute, run_as_root=True, root_helper=root_helper,
            env_variables=_environment(lvm_conf, suppress_fd_warn))
        self._changing = fair_lock.FairLock()
        # Two lanes, so that a report does not wait for all the changes that are queued up.
        self._lanes = executor is None
        self.changes = 0
        self.answered = dict.fromkeys((REPORTS, CHANGES), 0.0)
        self._tries = tries

    def change(self, *argv: str, timeout: float | None = CHANGE_SECONDS) -> None:
        """Run a command that changes the group, and count it, whatever its outcome."""
        with self.turn(argv[0], timeout):
            try:
                with fault_points.around(f'lvm:{argv[0]}'):
                    self.run(CHANGES, *argv, timeout=timeout)
            finally:
                self.changes += 1

    @contextlib.contextmanager
    def turn(self, program: str, timeout: float | None = CHANGE_SECONDS) -> Iterator[None]:
        """One change at a time, so that the first commands of many copies keep no other work
        waiting; a queue that moves on may be long. Whoever holds volumes still has several turns:
        another change would resume them."""
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
        """The rows of a report.

        :param section: of the report, as 'lv' of lvs
        :raises BadReport: none can be read, however often it is asked for
        """
        for left in reversed(range(self._tries)):
            out = self.run(REPORTS, program, *reports.ARGUMENTS, fields, *names, timeout=timeout)
            try:
                return reports.rows(section, out)
            except reports.BadReport:
                LOG.warning('%s gave a report that cannot be read: %.200r', program, out)
                if not left:
                    raise

    def run(self, lane: str, *argv: str, timeout: float | None) -> str:
        """What a command prints.

        :param lane: REPORTS or CHANGES
        :raises LVMError: as reports.typed() tells, or none in time
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
                    raise reports.typed(argv[0], exc) from exc
                LOG.warning('%s crashed, trying again', argv[0])
            else:
                self.answered[lane] = time.monotonic()
                if err:
                    LOG.debug('%s: %s', argv[0], err.strip())
                return out

    def _is_busy(self, lane: str, began: float) -> bool:
        """Whether others were answered since `began`: a report may wait for changes to end, which
        lock the group, but not for ever."""
        fresh = time.monotonic() - self.answered[REPORTS] < LONGEST_BUSY
        return self.answered[lane] > began or (fresh and max(self.answered.values()) > began)


def _environment(lvm_conf: str | None, suppress_fd_warn: bool) -> dict[str, str]:
    env = {'LVM_SYSTEM_DIR': os.path.dirname(lvm_conf)} if lvm_conf else {}
    return {**env, 'LVM_SUPPRESS_FD_WARNINGS': '1'} if suppress_fd_warn else env
