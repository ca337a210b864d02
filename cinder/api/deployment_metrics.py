# SPDX-License-Identifier: Apache-2.0
"""Metrics of the whole deployment, which cinder-api reads from the database at each scrape. The
numbers of this process and its siblings are in cinder.metrics."""
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cinder import context, exception
from cinder.conf import CONF
from cinder.db import deployment
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
}


class Deployment:
    """A collector of prometheus-client."""

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

    @staticmethod
    def _fill(families: 'dict[str, GaugeMetricFamily]') -> None:
        for row in deployment.survey(context.get_admin_context()):
            if row.kind == deployment.SERVICE:
                for state in deployment.SERVICE_STATES:
                    families['cinder_service_state'].add_metric(
                        (row.name, row.place, state), int(row.state == state))
            else:
                verb = VERBS.get(row.name)
                labels = row.name, verb.kind if verb else SHORT, row.place, row.state
                families['cinder_operations'].add_metric(labels, row.number)
                families['cinder_operations_oldest_seconds'].add_metric(labels, row.oldest)
