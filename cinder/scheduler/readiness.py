# SPDX-License-Identifier: Apache-2.0
"""Tracks whether the scheduler knows the state of the back ends and can place volumes. It requests
reports when it starts, and again after messages did not reach it."""
import threading
from collections.abc import Callable

from oslo_config import cfg
from oslo_log import log as logging

from cinder import context, failures
from cinder.rpc import volume as volume_rpc
from cinder.scheduler.host_manager import HostManager

LOG = logging.getLogger(__name__)

# Seconds between two checks whether all back ends have reported, and between two requests for it.
LOOK_AGAIN, ASK_AGAIN = 1, 5
# Least seconds between two requests for reports that a refusal may need.
REQUEST_AGAIN = 2


class Readiness:
    """Ready when all back ends that are up have reported, or have had the time to.

    :param conf: options.
    :param host_manager: the reports.
    :param volume_api: client of the volume services.
    :param clock: monotonic time in seconds.
    :param receives_messages: returns whether messages reach this process now.
    :param on_ready: called each time when volumes can be placed.
    """

    def __init__(self, conf: cfg.ConfigOpts, host_manager: HostManager,
                 volume_api: volume_rpc.VolumeAPI, clock: Callable[[], float],
                 receives_messages: Callable[[context.RequestContext], bool],
                 on_ready: Callable[[], None]) -> None:
        self._conf, self._host_manager, self._volume_api = conf, host_manager, volume_api
        self._clock, self._on_ready = clock, on_ready
        self.receives_messages = receives_messages
        self._settle_later()
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._listening = threading.Lock()
        self._request_again_at = float('-inf')

    def is_ready(self) -> bool:
        """Return whether volumes can be placed; until then they wait in the journal."""
        return self._ready.is_set()

    def is_settled(self) -> bool:
        """Return whether every back end has had the time to start and report."""
        return self._clock() >= self._settled_at

    def begin(self) -> None:
        """Request reports; volumes are placed when they have arrived."""
        self._settle_later()
        threading.Thread(target=self._wait_for_reports, name='scheduler-begin',
                         daemon=True).start()

    def stop(self) -> None:
        """Stop waiting for reports."""
        self._stopping.set()

    def _settle_later(self) -> None:
        self._settled_at = self._clock() + self._conf.scheduler_driver_init_wait_time

    def restart(self) -> None:
        """Stop placing until messages arrive again and the back ends have reported."""
        with self._listening:
            if not self._ready.is_set():
                return
            self._ready.clear()
        self._host_manager.expire_reports()
        LOG.warning('No messages reach this scheduler, so the state of the back ends is unknown. '
                    'New requests wait in the journal.')
        self.begin()

    def request_reports(self, ctxt: context.RequestContext) -> None:
        """Request new reports of all back ends, unless this was done a moment ago."""
        with self._listening:
            if self._clock() < self._request_again_at:
                return
            self._request_again_at = self._clock() + REQUEST_AGAIN
        self._volume_api.publish_service_capabilities(ctxt)

    def _wait_for_reports(self) -> None:
        ctxt = context.get_admin_context()
        while not self.receives_messages(ctxt) and not self._stopping.wait(LOOK_AGAIN):
            self._settle_later()
        ask_at = self._clock()
        while not self._stopping.is_set():
            try:
                if self._clock() >= ask_at:
                    ask_at += ASK_AGAIN
                    self._volume_api.publish_service_capabilities(ctxt)
                complete = self._all_reported(ctxt)
            except Exception:
                failures.log(LOG, 'The back ends cannot be asked for their capabilities; '
                             'trying again.')
                complete = False
            if complete or self.is_settled():
                break
            self._host_manager.wait_for_report(LOOK_AGAIN)
        if not self._stopping.is_set():
            self._ready.set()
            self._on_ready()

    def _all_reported(self, ctxt: context.RequestContext) -> bool:
        """Return whether at least one back end, and each one that is up, has reported."""
        return self._host_manager.has_reports() and not self._host_manager.unreported_services(ctxt)
