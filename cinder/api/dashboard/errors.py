# SPDX-License-Identifier: Apache-2.0
"""What has gone wrong in the processes of this cinder-api, or cinder-all, since its start, from the
counters of its metrics."""
import collections
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cinder import metrics

MOST = 20


class Kind(NamedTuple):
    """A counter of trouble.

    :ivar text: what has happened
    :ivar labels: labels that tell where
    :ivar counts: whether a series is trouble, from its labels
    """

    text: str
    labels: tuple[str, ...]
    counts: Callable[[Mapping[str, str]], bool] = lambda _labels: True


KINDS = {
    'cinder_api_requests_total': Kind(
        'Requests that ended with 5xx', ('method', 'route', 'code'),
        lambda labels: labels['code'].startswith('5')),
    'cinder_database_errors_total': Kind(
        'Transactions that the database refused or lost', ('error',)),
    'cinder_message_call_errors_total': Kind(
        'Messages without an answer, or with an error', ('method', 'error')),
    'cinder_message_casts_lost_total': Kind(
        'Messages that the broker did not take', ('method',)),
    'cinder_command_errors_total': Kind(
        'Commands that failed, or did not end', ('program', 'error')),
    'cinder_target_errors_total': Kind(
        'Exports that could not be changed', ('target', 'action', 'error')),
    'cinder_ceph_call_errors_total': Kind('Calls of Ceph that failed', ('call', 'error')),
    'cinder_operation_retries_total': Kind(
        'Operations that were interrupted and repeated', ('verb', 'service')),
    'cinder_operation_claims_lost_total': Kind(
        'Operations that lost their lock or lease', ('verb', 'service')),
    'cinder_backend_findings_total': Kind(
        'Differences between rows and storage', ('service', 'kind'),
        lambda labels: labels['repaired'] == 'no'),
}


def by_kind() -> list[dict[str, Any]] | None:
    """Return `what`, `where` and `number` of each kind of trouble, the most frequent first. None:
    the metrics are off."""
    store = metrics.current()
    if store is None:
        return None
    found: dict[tuple[str, str], int] = collections.Counter()
    samples = store.read()
    for name, kind in KINDS.items():
        for sample in samples.get(name, ()):
            labels = dict(sample.labels)
            if sample.value and kind.counts(labels):
                where = ', '.join(labels[label] for label in kind.labels)
                found[kind.text, where] += int(sample.value)
    rows = [{'what': what, 'where': where, 'number': number}
            for (what, where), number in found.items()]
    return sorted(rows, key=lambda row: (-row['number'], row['what'], row['where']))[:MOST]
