# SPDX-License-Identifier: Apache-2.0
"""Refusals of pools, and the error of a request that all pools refuse: its texts for the tenant,
for the log and for operators. cinder.scheduler.survey finds them, records keeps them."""
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from cinder import exception
from cinder.scheduler import filters
from cinder.scheduler.pools import Unusable


class Refusal(NamedTuple):
    """The reason why one back end or pool was not selected."""

    backend: str
    check: str
    reason: filters.Reason

    def __str__(self) -> str:
        detail = f' ({self.reason.detail})' if self.reason.detail else ''
        return f'{self.backend}: {self.check}: {self.reason.words}{detail}'


def of_unusable(entry: Unusable) -> Refusal:
    """Return the refusal of a back end that cannot be used."""
    return Refusal(entry.name, 'service', filters.Reason('a storage service is not available',
                                                         entry.why))


# The check and the words of refusals -> the refusals.
Kinds = dict[tuple[str, str], list[Refusal]]


class AllRefused(exception.NoValidBackend):
    """The text has all refusals; it is built when it is read, because it is long."""

    def __str__(self) -> str:
        return '; '.join(map(str, self.kwargs['refusals'])) or self.msg


def no_valid_backend(refusals: Sequence[Refusal]) -> exception.NoValidBackend:
    """Build the error: `reason` has one refusal of each kind for the log, `refusals` all of them,
    `words` only what the tenant may read."""
    kinds: Kinds = defaultdict(list)
    for refusal in refusals:
        kinds[refusal.check, refusal.reason.words].append(refusal)
    return AllRefused(
        refusals=refusals, reason=_short(kinds) or 'no back end has reported',
        words=_counted(kinds) or 'no storage service has reported')


def _counted(kinds: Kinds) -> str:
    """Return the words of each reason once, with the number of pools and back ends."""
    names: dict[str, set[str]] = {}
    for (_check, words), each in kinds.items():
        names.setdefault(words, set()).update(refusal.backend for refusal in each)
    total = len(set().union(*names.values()))
    return '; '.join(words + (f' ({len(each)} of {total} pools)' if total > 1 else '')
                     for words, each in names.items())


def _short(kinds: Kinds) -> str:
    """Return each kind of refusal once, with its first pool and the number of further pools."""
    return '; '.join(f'{first}' + (f' and {len(more)} more' if more else '')
                     for first, *more in kinds.values())
