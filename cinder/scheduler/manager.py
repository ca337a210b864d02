# SPDX-License-Identifier: Apache-2.0
"""The message endpoint of cinder-scheduler, and its life cycle.

cinder.scheduler.steps works on the operations, readiness knows when it can.
"""
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging

from cinder import (
    class_paths,
    context,
    exception,
    objects,
    operations,
)
from cinder.conf import CONF
from cinder.db import clusters as clusters_db
from cinder.db import events, idempotency_keys, journal
from cinder.db import messages as messages_db
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.objects.verbs import SHORT
from cinder.rpc import cleanup, notifications
from cinder.rpc import scheduler as scheduler_rpc
from cinder.rpc import volume as volume_rpc
from cinder.scheduler import checks, questions, readiness, steps
from cinder.scheduler.filter_scheduler import FilterScheduler

LOG = logging.getLogger(__name__)

# Number of decisions that run at a time; each reads and writes the database.
PLACED_AT_A_TIME = 16
# Seconds for which a finished operation is kept in the journal.
JOURNAL_KEPT = 7 * 24 * 3600


class SchedulerManager:
    """Handle the messages of cinder-scheduler.

    :param host: name of this scheduler.
    :param conf: options.
    :param volume_api: client of the volume services.
    :param list_services: reads the rows of the volume services, with `is_up` set.
    :param clock: monotonic time in seconds.
    :param timers: call what waits for a back end; by default those of the operations.
    """

    RPC_API_VERSION = scheduler_rpc.SchedulerAPI.RPC_API_VERSION
    target = messaging.Target(version=RPC_API_VERSION)

    def __init__(self, host: str, service_name: str | None = None, cluster: str | None = None, *,
                 conf: cfg.ConfigOpts = CONF, volume_api: volume_rpc.VolumeAPI | None = None,
                 list_services: Callable | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 timers: operations.Timers | None = None) -> None:
        self.host = host
        self.service_id = self.service_uuid = None
        self.conf = conf
        self.volume_api = volume_api or volume_rpc.VolumeAPI()
        self.host_manager = class_paths.load('scheduler_host_manager', conf.scheduler_host_manager)(
            conf, list_services or _volume_services, clock)
        self.driver = self._make_driver()
        self.runner = operations.OperationRunner(
            host, 'schedule', operations.handlers_of(self), ready=self.is_ready,
            bounds={SHORT: PLACED_AT_A_TIME}, kind_of=lambda _operation: SHORT)
        self.additional_endpoints: list[object] = [
            operations.Messages(self.runner, self.target),
            questions.Questions(lambda: self.driver, self.is_ready),
            cleanup.TakeOver(self.runner.take_over)]
        # Set by the service: returns whether messages reach this process now.
        self.receives_messages: Callable[[context.RequestContext], bool] = lambda _ctxt: True
        self.readiness = readiness.Readiness(
            conf, self.host_manager, self.volume_api, clock,
            receives_messages=lambda ctxt: self.receives_messages(ctxt),
            on_ready=lambda: self.runner.start())
        self._steps = steps.Steps(host, conf, self.runner, lambda: self.driver, self.host_manager,
                                  self.readiness, self.volume_api, timers or self.runner.timers)
        self._clock, self._purge_at = clock, clock()

    def _make_driver(self) -> FilterScheduler:
        return class_paths.load('scheduler_driver', self.conf.scheduler_driver)(
            self.conf, self.host_manager)

    # ------------------------------------------------------------------------------- life cycle
    def init_host(self, added_to_cluster: str | None = None,
                  service_id: int | None = None) -> None:
        """Prepare nothing: the back ends report their capabilities through the message bus."""

    def init_host_with_rpc(self) -> None:
        """Request reports from the back ends; start to place volumes when they have arrived."""
        self.readiness.begin()

    def is_working(self) -> bool:
        """Return whether the service may report itself up: always True."""
        return True

    def is_ready(self) -> bool:
        """Return whether volumes can be placed; until then they wait in the journal."""
        return self.readiness.is_ready()

    def describe(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return what it waits for until it places volumes: the reports of back ends."""
        if self.is_ready():
            return {}, {}
        missing = sorted(self.host_manager.unreported_services(context.get_admin_context()))
        return {'back ends': f'no report yet of {", ".join(missing) or "any back end"}'}, {}

    def heartbeat(self) -> None:
        """Renew the leases of the operations that this scheduler runs."""
        self.runner.renew()

    def handle_lost_messages(self) -> None:
        """Wait for new reports before anything is placed or refused: back ends that did not receive
        messages either count as down, and may be late to receive them again."""
        self.readiness.restart()

    def run_periodic_tasks(self, ctxt: context.RequestContext,
                           raise_on_error: bool = False) -> None:
        """Delete expired user messages and idempotency keys, and old entries of the journal and
        events."""
        if self._clock() < self._purge_at:
            return
        self._purge_at = self._clock() + self.conf.message_reap_interval
        for purge in (messages_db.purge_expired, idempotency_keys.purge_expired,
                      functools.partial(journal.purge_finished, seconds=JOURNAL_KEPT),
                      functools.partial(events.purge, seconds=self.conf.events_retention)):
            while purge(ctxt):
                LOG.debug('Deleted a batch of expired rows.')

    def reset(self) -> None:
        """Load the filters and weighers of the current options; keep the reports of the pools."""
        try:
            self.driver = self._make_driver()
        except exception.InvalidConfigurationValue as error:
            LOG.error('The filters and weighers are not changed: %s', error)

    def stop(self) -> None:
        """Stop taking new operations."""
        self.readiness.stop()
        self.runner.stop()

    def wait(self) -> None:
        """Wait until every decision that has started is finished."""
        self.runner.wait()

    def release_operations(self) -> None:
        """Release the operations that did not finish in time, before the process exits."""
        self.runner.release_operations()

    def notify_peers(self) -> None:
        """Ask another scheduler to run the operations that this one released."""
        ctxt = context.get_admin_context()
        schedulers = services_db.list_all(ctxt, binary=scheduler_rpc.SchedulerAPI.BINARY,
                                          is_up=True)
        cleanup.request_take_over_by_another(ctxt, schedulers, self.host,
                                             [self.host] if self.runner.has_released else [])

    # ------------------------------------------------------------------------------ the messages
    def update_service_capabilities(
            self, ctxt: context.RequestContext, service_name: str, host: str, capabilities: Mapping,
            timestamp: str | None = None, cluster_name: str | None = None) -> None:
        """Store the capabilities that a back end reports.

        :param host: the back end, 'host@backend'.
        :param timestamp: time of the measurement, ISO 8601 in UTC.
        """
        if service_name in ('volume', 'cinder-volume'):
            self.host_manager.update(host, capabilities or {}, timestamp, cluster_name)
            checks.log_faulty_functions(host, capabilities or {})

    def notify_service_capabilities(self, ctxt: context.RequestContext, host: str,
                                    capabilities: Mapping, timestamp: str) -> None:
        """Send notifications about the capacity that a back end reports. It sends this message to
        one scheduler, if notifications are enabled."""
        for kind, usage in self.host_manager.usages(host, capabilities, timestamp):
            notifications.notify_capacity(ctxt, kind, usage)

    @messaging.expected_exceptions(exception.VolumeTypeNotFound)
    def get_pools(self, ctxt: context.RequestContext, filters: Mapping | None = None) -> list[dict]:
        """Return the pools of working services: [{'name': 'host@backend#pool', 'capabilities'}].

        :param filters: `name` of a pool, `volume_type` (name or id) that it must fit, or
            capabilities that it must have.
        :raises VolumeTypeNotFound: the type does not exist.
        """
        wanted = dict(filters or {})
        type_name = wanted.pop('volume_type', None)
        extra_specs = type_name and types_db.get_by_name_or_id(ctxt, type_name).extra_specs
        return self.driver.get_pools(ctxt, extra_specs, **wanted)

    @operations.handles('volume.create')
    def create_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Claim the operation, select a pool and pass the operation to its volume service.

        :param volume: the volume of the message; None: it is loaded, for a resumed operation.
        """
        self._steps.place(ctxt, operation, volume)

    @operations.handles('group.create')
    def create_group(self, ctxt: context.RequestContext, operation: objects.Operation,
                     group: objects.Group | None = None) -> None:
        """Place a group on a back end that fits all its volume types."""
        self._steps.place(ctxt, operation, group)

    @operations.handles('volume.manage')
    def manage_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Select the pool, on the back end that holds the volume, that fits its volume type."""
        self._steps.place(ctxt, operation, volume)

    @operations.handles('volume.extend')
    def extend_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Promise the space of an extend, if the pool of the volume has it."""
        self._steps.extend(ctxt, operation, volume)

    @operations.handles('volume.retype')
    def retype_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                      volume: objects.Volume | None = None) -> None:
        """Send the retype to the back end of the volume if it fits the new type; otherwise select
        another one if the migration policy allows it."""
        self._steps.retype(ctxt, operation, volume)

    @operations.handles('volume.migrate')
    def migrate_volume(self, ctxt: context.RequestContext, operation: objects.Operation,
                       volume: objects.Volume | None = None) -> None:
        """Select the destination pool of a migration; the present back end moves the volume."""
        self._steps.migrate(ctxt, operation, volume)


def _volume_services(ctxt: context.RequestContext) -> list[objects.Service]:
    return clusters_db.marked_services(ctxt, 'cinder-volume')
