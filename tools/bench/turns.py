# SPDX-License-Identifier: Apache-2.0
"""How long things take, measured in turns, so that the load of the machine is the same for all."""
import statistics
import time
from collections.abc import Callable


def seconds(run: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    began = time.monotonic()
    run()
    return time.monotonic() - began


def in_turns(*runs: Callable[[], object], rounds: int) -> list[float]:
    """Return the median seconds of each."""
    taken = [[seconds(run) for run in runs] for _round in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
