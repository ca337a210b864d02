# SPDX-License-Identifier: Apache-2.0
"""Reports to the operator how far a copy is, and estimates when it ends."""
import time
from collections.abc import Callable, Mapping

from cinder.db.adoption import mapping, progress, selection
from cinder.db.adoption.source import Source

# Seconds between two lines.
TELL = 5


class Pace:
    """The progress of a copy, in rows of the source.

    :param states: of the steps that were begun
    :param show: gets a line now and then
    """

    def __init__(self, source: Source, run: progress.Run,
                 states: Mapping[str, progress.StepState], show: Callable[[str], None]) -> None:
        self._show = show
        self._totals = {step.name: source.count(step.source, *selection.where(source, step, run))
                        for step in mapping.STEPS}
        self._all = sum(self._totals.values())
        self._done = sum(state.rows_read for state in states.values())
        self._began_at, self._began = self._done, time.monotonic()
        self._told = self._began
        show(f'{self._all} rows are to be read, {self._all - self._done} of them now.')

    def advance(self, step: str, rows: int, step_rows: int) -> None:
        """Count rows that were read.

        :param step_rows: of this step, in all
        """
        self._done += rows
        now = time.monotonic()
        if now - self._told < TELL:
            return
        self._told = now
        rate = (self._done - self._began_at) / (now - self._began)
        left = round((self._all - self._done) / rate) if rate else 0
        self._show(f'{step}: {step_rows} of {self._totals[step]} rows; '
                   f'{self._done * 100 // max(self._all, 1)} % of all, about '
                   f'{max(left, 0) // 60} min {max(left, 0) % 60} s left.')
