# SPDX-License-Identifier: Apache-2.0
"""Metrics of the whole deployment, which cinder-api reads from the database at each scrape. The
numbers of this process and its siblings are in cinder.metrics."""
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from cinder import context, exception, quota
from cinder.conf import CONF
from cinder.db import deployment
from cinder.db import quotas as quotas_db
from cinder.objects.verbs import SHORT, VERBS

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

LOG = logging.getLogger(__name__)

# Name -> meaning and labels.
GAUGES = {
    'cinder_database_up': ('Whether the database answered this scrape: 1 or 0.', ()),
    'cinder_service_state': (
        'State of each service: 1 for the present one of up, disabled, failing (it reports what '
        'keeps it from work) and down (it reports nothing).', ('binary', 'service', 'state')),
    'cinder_operations': (
        'Accepted operations that are not finished: queued, running, or waiting for something.',
        ('verb', 'class', 'service', 'state')),
    'cinder_operations_oldest_seconds': (
        'Age of the oldest of these operations.', ('verb', 'class', 'service', 'state')),
    'cinder_events_kept': ('Changes of resources that clients can read as events.', ()),
    'cinder_events_first_position': (
        'Position of the oldest of these events; a client that is further back gets status 410.',
        ()),
    'cinder_events_oldest_seconds': ('Age of the oldest of these events.', ()),
    'cinder_notifications_waiting': ('Notifications that the broker does not have yet.', ()),
    'cinder_notifications_oldest_seconds': ('Age of the oldest of these notifications.', ()),
    'cinder_quota_used': (
        'What the largest projects use of a quota.', ('project', 'quota')),
    'cinder_quota_limit': (
        'The limit of a quota of these projects; infinite: unlimited.', ('project', 'quota')),
}
# Kind of a row of the survey -> metric -> its field of the row.
_KEPT = {
    deployment.EVENTS: {'cinder_events_kept': 'number', 'cinder_events_oldest_seconds': 'oldest'},
    deployment.FIRST_EVENT: {'cinder_events_first_position': 'number'},
    deployment.NOTICES: {'cinder_notifications_waiting': 'number',
                         'cinder_notifications_oldest_seconds': 'oldest'}}
# Quotas that are reported, and seconds between two reads of them.
QUOTAS, QUOTA_SECONDS = (
    'volumes', 'gigabytes', 'snapshots', 'backups', 'backup_gigabytes', 'groups'), 60


class Quota(NamedTuple):
    """What a project uses of a quota, and its limit."""

    project: str
    name: str
    used: int
    limit: float


class Deployment:
    """A collector of prometheus-client.

    :param clock: monotonic seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quotas: list[Quota] = []
        self._read_at = float('-inf')

    def collect(self) -> 'Iterator[GaugeMetricFamily]':
        """Yield the present numbers; without the database, only that it does not answer."""
        from prometheus_client.core import GaugeMetricFamily
        if not CONF.metrics.deployment:
            return
        families = {name: GaugeMetricFamily(name, text, labels=labels)
                    for name, (text, labels) in GAUGES.items()}
        try:
            self._fill(families)
        except exception.CinderException as exc:
            LOG.warning('The metrics of the deployment cannot be read: %s', exc)
            families['cinder_database_up'].add_metric((), 0)
        else:
            families['cinder_database_up'].add_metric((), 1)
        yield from families.values()

    def _fill(self, families: 'dict[str, GaugeMetricFamily]') -> None:
        ctxt = context.get_admin_context()
        self._fill_survey(ctxt, families)
        if CONF.metrics.quota_projects and self._clock() - self._read_at >= QUOTA_SECONDS:
            self._quotas, self._read_at = list(_read_quotas(ctxt)), self._clock()
        for quota_row in self._quotas:
            labels = quota_row.project, quota_row.name
            families['cinder_quota_used'].add_metric(labels, quota_row.used)
            families['cinder_quota_limit'].add_metric(labels, quota_row.limit)

    @staticmethod
    def _fill_survey(ctxt: context.RequestContext,
                     families: 'dict[str, GaugeMetricFamily]') -> None:
        for row in deployment.survey(ctxt):
            if row.kind == deployment.SERVICE:
                for state in deployment.SERVICE_STATES:
                    families['cinder_service_state'].add_metric(
                        (row.name, row.place, state), int(row.state == state))
            elif row.kind in _KEPT:
                for name, field in _KEPT[row.kind].items():
                    families[name].add_metric((), getattr(row, field))
            else:
                verb = VERBS.get(row.name)
                labels = row.name, verb.kind if verb else SHORT, row.place, row.state
                families['cinder_operations'].add_metric(labels, row.number)
                families['cinder_operations_oldest_seconds'].add_metric(labels, row.oldest)


def _read_quotas(ctxt: context.RequestContext) -> Iterator[Quota]:
    for project, _number, _gib in deployment.largest_projects(ctxt, CONF.metrics.quota_projects):
        state = quotas_db.limits_and_usage(ctxt, project, QUOTAS)
        for name in QUOTAS:
            limit = quota.effective(state, name)
            yield Quota(project, name, state.usage.get(name, 0),
                        float('inf') if limit == quota.UNLIMITED else limit)
