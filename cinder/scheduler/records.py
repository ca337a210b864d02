# SPDX-License-Identifier: Apache-2.0
"""What is stored of a decision, of bounded size: with a placement in its operation, and with a
refusal in the user message. `cinder-manage scheduler explain` shows it."""
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from cinder import exception, objects
from cinder.scheduler.host_manager import Pool
from cinder.scheduler.refusals import Refusal
from cinder.scheduler.survey import Survey

# Of a placement: refusals and weighed pools, the length of a refusal, and the number of fitting
# pools up to which they are weighed again for the record.
MOST_REFUSALS, MOST_WEIGHED, LONGEST, MOST_FITTING = 10, 5, 300, 100
# Characters of the refusals of a user message.
MOST_CHARACTERS = 16_000


def of_placement(survey: Survey, pools: Sequence[Pool], fitting: Sequence[Pool],
                 unusable: Sequence[Refusal], spec: objects.RequestSpec) -> dict[str, Any]:
    """Return the record of a placement; called before its space is taken.

    :returns: `pools` and `fitting`, numbers; `refused`, texts for operators; `weights`: pool ->
        weigher -> weight, of the best pools, if several fit.
    """
    refused = survey.refusals(list(islice(_others(pools, fitting), MOST_REFUSALS)), spec)
    return {'pools': len(pools) + len(unusable), 'fitting': len(fitting),
            'refused': [str(each)[:LONGEST]
                        for each in islice(chain(unusable, refused), MOST_REFUSALS)],
            'weights': _weights(survey, fitting, spec) if 1 < len(fitting) <= MOST_FITTING else {}}


def _others(pools: Sequence[Pool], fitting: Sequence[Pool]) -> Iterable[Pool]:
    """Return the pools that are not among the fitting ones, which are in the same order."""
    if len(fitting) == len(pools):
        return
    left = iter(fitting)
    fits = next(left, None)
    for pool in pools:
        if pool is fits:
            fits = next(left, None)
        else:
            yield pool


def _weights(survey: Survey, fitting: Sequence[Pool],
             spec: objects.RequestSpec) -> dict[str, dict[str, float]]:
    names = [type(weigher).__name__ for weigher in survey.handler.weighers]
    if not names:
        return {}
    rows = zip(*survey.handler.weigh(fitting, spec), strict=True)
    ranked = sorted(zip(fitting, rows, strict=True),
                    key=lambda pair: (-sum(pair[1]), pair[0].name))
    return {pool.name: {name: round(weight, 3) + 0.0
                        for name, weight in zip(names, row, strict=True)}
            for pool, row in ranked[:MOST_WEIGHED]}


def of_refusal(error: exception.NoValidBackend) -> str:
    """Return the text for operators of a refusal: a line for each pool, up to the bound."""
    lines: Any = error.kwargs.get('refusals') or [error.kwargs['reason']]
    kept, left = list[str](), MOST_CHARACTERS
    for line in map(str, lines):
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    if not kept:
        return str(lines[0])[:MOST_CHARACTERS]
    more = len(lines) - len(kept)
    return '\n'.join(kept) + (f'\nand {more} more' if more else '')
