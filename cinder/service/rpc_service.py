# SPDX-License-Identifier: Apache-2.0
"""Service: a manager with its row in the database, queues, heartbeat and periodic tasks."""
import contextlib
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable

import oslo_messaging as messaging
from oslo_service import service

from cinder import class_paths, context, coordination, exception, failures, masking, metrics
from cinder.conf import CONF
from cinder.db import clusters, notices, services, session
from cinder.objects import base as objects_base
from cinder.rpc import base as rpc
from cinder.rpc import log_levels, notifications, reachability
from cinder.service import launchers, liveness, metrics_listener, profiler, states
from cinder.service.manager import Manager

LOG = logging.getLogger(__name__)

LONGEST_PAUSE = 15
# Seconds for which a stop waits for the liveness queue, and for the database and the bus in the
# last request to other services; and seconds between two such requests.
LONGEST_FAREWELL, LONGEST_ASKING, NOTIFY_PEERS_SECONDS = 0.5, 2, 1


class Service(service.ServiceBase):
    """A manager with its row in the database, its queues, its heartbeat and its periodic tasks.

    Created by create(). If the launcher forks, the parent creates the object and the child starts
    it, also each child that replaces a dead one.
    """

    def __init__(self, host: str, binary: str, topic: str, manager: str, *,
                 report_interval: int, periodic_interval: int, periodic_fuzzy_delay: int,
                 service_name: str | None = None, coordination: bool = False,
                 cluster: str | None = None, availability_zone: str | None = None,
                 receives: bool = True) -> None:
        if not rpc.is_initialized():
            rpc.init(CONF, services.minimum_versions, store=notices)
        self.host, self.binary, self.topic = host, binary, topic
        self.cluster, self.availability_zone = cluster, availability_zone
        self.report_interval = report_interval
        self.periodic_interval = periodic_interval
        self.periodic_fuzzy_delay = periodic_fuzzy_delay
        self.coordination = coordination
        self.receives = receives
        self.service_id: int | None = None
        self._manager_class = class_paths.load(f'{topic.removeprefix("cinder-")}_manager', manager)
        self._service_name = service_name
        self.manager = self._make_manager()
        self._state = states.State(f'{binary} on {host}'
                                   + ('' if receives else f', process {service_name}'))
        self._started_in: int | None = None
        self._stopping = threading.Event()
        self._draining = False
        self._up: bool | None = None
        self._initialised = False
        self._servers: list[messaging.MessageHandlingServer] = []
        self._liveness_server: messaging.MessageHandlingServer | None = None
        profiler.setup_profiler(binary, host)

    @classmethod
    def create(cls, host: str | None = None, binary: str | None = None, topic: str | None = None,
               manager: str | None = None, report_interval: int | None = None,
               periodic_interval: int | None = None, periodic_fuzzy_delay: int | None = None,
               service_name: str | None = None, coordination: bool = False,
               cluster: str | None = None, availability_zone: str | None = None,
               receives: bool = True) -> 'Service':
        """Create a service; missing arguments are taken from the options and the program name.

        :param host: 'host' or 'host@backend'; default: option host.
        :param binary: such as 'cinder-volume'; default: the name of the program.
        :param topic: topic of the queues; default: the binary.
        :param manager: class path; default: option <topic without 'cinder-'>_manager.
        :param report_interval: seconds between heartbeats.
        :param periodic_interval: seconds between runs of the periodic tasks, 0: none.
        :param periodic_fuzzy_delay: maximum random delay in seconds before the first run.
        :param service_name: configuration group of the back end.
        :param coordination: whether the manager takes locks between processes.
        :param cluster: 'cluster' or 'cluster@backend' that shares the work.
        :param availability_zone: default: option storage_availability_zone.
        :param receives: whether it receives messages and reports that the host is up; another
            process of the host does both for one that does not.
        """
        binary = binary or os.path.basename(sys.argv[0])
        topic = topic or binary
        return cls(
            host or CONF.host, binary, topic,
            manager or CONF[f'{topic.removeprefix("cinder-")}_manager'],
            report_interval=_given(report_interval, CONF.report_interval),
            periodic_interval=_given(periodic_interval, CONF.periodic_interval),
            periodic_fuzzy_delay=_given(periodic_fuzzy_delay, CONF.periodic_fuzzy_delay),
            service_name=service_name, coordination=coordination, cluster=cluster,
            availability_zone=availability_zone or CONF.storage_availability_zone,
            receives=receives)

    def _make_manager(self) -> Manager:
        self._made_in = os.getpid()
        return self._manager_class(self.host, service_name=self._service_name,
                                   cluster=self.cluster)

    # ------------------------------------------------------------------------------------- start
    def start(self) -> None:
        """Register, initialize the manager, take messages, report and run the periodic tasks.

        Waits for the database, the broker and the lock service without a time limit.

        :raises SystemExit: the service cannot start, see launchers.starting().
        """
        with launchers.starting(f'{self.binary} on {self.host}'):
            self._start()

    def _start(self) -> None:
        self._started_in = os.getpid()
        metrics_listener.serve()
        if self._made_in != os.getpid():
            # A child that replaces a dead one needs its own id: operations have owners.
            self.manager = self._make_manager()
        LOG.info('Starting %s on %s.', self.binary, self.host)
        ctxt = context.get_admin_context()
        with self._state.waiting('database'):
            session.wait_for_database()
            added_to_cluster = self._register_patiently(ctxt)
        with self._state.waiting('message broker'):
            reachability.wait_for_broker(topic=self.topic,
                                         servers=list(filter(None, (self.host, self.cluster))))
        if self.coordination:
            with self._state.waiting('lock service'):
                coordination.COORDINATOR.start_with_retry()
        notifications.start()
        with self._state.waiting(states.START):
            self._initialised = self._init_manager(added_to_cluster)
        if self.receives:
            self._start_servers()
        self._in_background(self._report, 'heartbeat')
        self.manager.init_host_with_rpc()
        if self.periodic_interval:
            self._in_background(self._run_periodic_tasks, 'periodic-tasks')

    def _register_patiently(self, ctxt: context.RequestContext) -> bool:
        pause, logged = 1, None
        while True:
            try:
                return self._register(ctxt)
            except Exception as exc:  # no tables yet, the database is unavailable again, ...
                if str(exc) != logged:
                    LOG.error('%s on %s cannot be registered in the database; trying again. Has '
                              '`cinder-manage db sync` been run? %s', self.binary, self.host, exc)
                    logged = str(exc)
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _register(self, ctxt: context.RequestContext) -> bool:
        """Find or create the rows; return whether this host has just joined its cluster."""
        versions = {'rpc_current_version': self.manager.RPC_API_VERSION,
                    'object_current_version': objects_base.CURRENT_VERSION}
        place = {'cluster_name': self.cluster, 'availability_zone': self.availability_zone}
        if self.cluster:
            self._find_or_make_cluster(ctxt)
        try:
            row = services.get_by_host_binary(ctxt, self.host, self.binary)
        except exception.ServiceNotFound:
            added = bool(self.cluster)
            row = services.create(ctxt, {
                'host': self.host, 'binary': self.binary, 'topic': self.topic,
                'disabled': not CONF.enable_new_services, **versions, **place})
        else:
            added = bool(self.cluster) and row.cluster_name != self.cluster
        # Down until the first heartbeat: a row alone does not mean that the service is up.
        services.update(ctxt, row.id, {**versions, **place, 'updated_at': _lapsed()})
        self.service_id = self.manager.service_id = row.id
        self.manager.service_uuid = row.uuid
        return added

    def _find_or_make_cluster(self, ctxt: context.RequestContext) -> None:
        try:
            clusters.get(ctxt, self.cluster, self.binary)
        except exception.ClusterNotFound:
            clusters.create(ctxt, {'name': self.cluster, 'binary': self.binary,
                                   'disabled': not CONF.enable_new_services})

    def _init_manager(self, added_to_cluster: bool) -> bool:
        try:
            self.manager.init_host(added_to_cluster=added_to_cluster, service_id=self.service_id)
        except Exception:
            failures.log(LOG, '%s on %s could not be initialised: it reports itself as down.',
                         self.binary, self.host)
            return False
        return True

    def _start_servers(self) -> None:
        self.liveness = liveness.Liveness(self.topic, self.host, self.report_interval,
                                          CONF.service_down_time)
        self.manager.receives_messages = self.liveness.receives_messages
        self._liveness_server = rpc.get_server(self.liveness.address, [self.liveness])
        self._liveness_server.start()
        endpoints = [self.liveness, log_levels.LogLevels(), *self.manager.additional_endpoints,
                     self.manager]
        for name in filter(None, (self.host, self.cluster)):
            server = rpc.get_server(messaging.Target(topic=self.topic, server=name), endpoints)
            server.start()
            self._servers.append(server)

    def _in_background(self, work: Callable[[], None], name: str) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    # --------------------------------------------------------------------------------- heartbeat
    def _report(self) -> None:
        ctxt = context.get_admin_context()
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self.report_state(ctxt)
            except Exception as exc:
                self._tell(False, exc)
                self._note_state('database' if isinstance(exc, exception.DatabaseTrouble)
                                 else states.ITSELF, str(exc))
            self._stopping.wait(max(0.1, self.report_interval - (time.monotonic() - began)))

    def report_state(self, ctxt: context.RequestContext) -> None:
        """Send one heartbeat: renew the leases, and report the service up if its manager works and
        it consumes messages."""
        self.manager.heartbeat()
        if self._draining:
            return
        if not self.receives:
            self._note_state(*self._trouble())
            return
        if not (self._initialised and self.manager.is_working()):
            if self._up:
                # Now, not only when the last heartbeat is old: no new work may arrive here.
                services.update(ctxt, self.service_id, {'updated_at': _lapsed()})
            self._explain(ctxt, *self._trouble())
        elif not self.liveness.check(ctxt):
            if self._up:
                getattr(self.manager, 'handle_lost_messages', lambda: None)()
                # As old as if nothing had been reported since the last message arrived.
                age = min(self.liveness.unverified_seconds(), CONF.service_down_time + 1)
                services.update(ctxt, self.service_id, {'updated_at': session.in_seconds(-age)})
            self._explain(ctxt, 'message broker', 'it receives no messages')
        elif not self._draining:
            self._touch(ctxt)
            if not self._up:
                services.set_down_reason(ctxt, self.service_id, None)
            self._tell(True)
            self._note_state('', '')

    def _trouble(self) -> tuple[str, str]:
        """Return what the manager needs and why it is not there; two empty texts if it works."""
        if self._initialised and self.manager.is_working():
            return '', ''
        return (getattr(self.manager, 'NEEDS', states.ITSELF),
                getattr(self.manager, 'trouble', '') or 'its manager does not work')

    def _note_state(self, what: str, reason: str) -> None:
        """Store the state for /readyz, with what the manager says of itself."""
        if not metrics.is_on():
            return
        try:
            waits_for, facts = getattr(self.manager, 'describe', lambda: ({}, {}))()
        except Exception as exc:  # the heartbeat must go on
            LOG.debug('The manager cannot be described: %s', exc)
            waits_for, facts = {}, {}
        self._state.write({what: reason} if what else waits_for, **facts)

    def _explain(self, ctxt: context.RequestContext, what: str, reason: str) -> None:
        """Store in the row, and log, why this service is down."""
        self._tell(False, reason)
        self._note_state(what, reason)
        services.set_down_reason(ctxt, self.service_id, services.DOWN + masking.masked(reason))

    def _touch(self, ctxt: context.RequestContext) -> None:
        try:
            services.heartbeat(ctxt, self.service_id)
        except exception.ServiceNotFound:
            LOG.warning('The row of %s on %s was removed; registering again.', self.binary,
                        self.host)
            self._register(ctxt)
            services.heartbeat(ctxt, self.service_id)

    def _tell(self, up: bool, reason: object = '') -> None:
        if up != self._up:
            if up:
                LOG.info('%s on %s is up.', self.binary, self.host)
            else:
                LOG.error('%s on %s is down: %s', self.binary, self.host, reason)
            self._up = up

    def _run_periodic_tasks(self) -> None:
        ctxt = context.get_admin_context()
        pause = random.uniform(0, self.periodic_fuzzy_delay)  # nosec B311 # a pause
        while not self._stopping.wait(pause):
            try:
                self.manager.run_periodic_tasks(ctxt)
            except Exception:
                failures.log(LOG, 'Periodic tasks of %s on %s failed.', self.binary, self.host)
            pause = self.periodic_interval

    # --------------------------------------------------------------------------- stop and reload
    def stop(self) -> None:
        """Stop taking messages, finish the work in the time that is left, and report as down."""
        if self._started_in != os.getpid() or self._stopping.is_set():
            return
        self._draining = True
        self.manager.stop()
        self._in_background(self._notify_peers_meanwhile, 'notify-peers')
        finished = launchers.run_with_timeout(self._drain, launchers.drain_time(), 'drain')
        if not finished:
            LOG.warning('%s on %s stops with unfinished work, which is resumed at the next start.',
                        self.binary, self.host)
        self._stopping.set()
        self.manager.release_operations()
        if self.coordination:
            # Before other services are asked, which need the locks.
            coordination.COORDINATOR.stop()
        launchers.run_with_timeout(self._notify_peers, LONGEST_ASKING, 'notify-peers')
        if self._liveness_server:  # otherwise the start still waits for the broker
            launchers.run_with_timeout(self._liveness_server.stop, LONGEST_FAREWELL,
                                       'stop-liveness')
        rpc.flush()
        if self.service_id is not None:
            with contextlib.suppress(Exception):  # without the database, the heartbeat expires
                services.update(context.get_admin_context(), self.service_id,
                                {'updated_at': _lapsed()})
        LOG.info('%s on %s has stopped.', self.binary, self.host)

    def _drain(self) -> None:
        # A service that receives nothing needs seconds to notice the stop.
        launchers.run_concurrently((server.stop for server in self._servers), 'stop-server')
        for server in self._servers:
            server.wait()
        self.manager.wait()

    def _notify_peers_meanwhile(self) -> None:
        """Ask other services for operations that arrive until the queues are closed. The broker
        would deliver them to others only when the connections are closed."""
        while not self._stopping.is_set():
            self._notify_peers()
            self._stopping.wait(NOTIFY_PEERS_SECONDS)

    def _notify_peers(self) -> None:
        """Ask another service to run the waiting operations now, instead of when it finds them."""
        try:
            self.manager.notify_peers()
        except Exception:
            failures.log(LOG, 'No other service could be asked to continue for %s on %s.',
                         self.binary, self.host)

    def wait(self) -> None:
        """Do nothing: stop() has waited for the work."""

    def reset(self) -> None:
        """Handle SIGHUP: options were reloaded, and peers may have been upgraded."""
        if self._started_in == os.getpid():
            rpc.reset()
            self.manager.reset()


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


def _lapsed() -> object:
    """Return the time of a heartbeat that is just too old, by the clock of the database."""
    return session.in_seconds(-CONF.service_down_time - 1)
