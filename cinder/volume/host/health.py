# SPDX-License-Identifier: Apache-2.0
"""Checks in the background, between two reports, whether the storage of a back end answers; a back
end that was down is started again as soon as it does."""
import threading

from oslo_log import log as logging

from cinder import context, exception
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends
from cinder.volume.host import init_host, probes

LOG = logging.getLogger(__name__)

# With the default heartbeat of 10 s, a storage that hangs is noticed and reported within 25 s.
TIMEOUT_SECONDS = 9.0


class Watch:
    """Runs one check at a time, so a storage that hangs occupies one thread."""

    def __init__(self, backend: backends.Backend) -> None:
        self._backend = backend
        # A back end that has never started is left to the periodic task, which logs the reason each
        # time.
        self._was_up = False
        self._looking: threading.Thread | None = None

    def start_check(self) -> None:
        """Start a check and do not wait for it; part of the heartbeat. While the back end is up, a
        driver without a health check needs none."""
        self._was_up |= self._backend.initialized
        needed = bool(self._checks()) or not self._backend.initialized
        if self._was_up and needed and (self._looking is None or not self._looking.is_alive()):
            self._looking = threading.Thread(target=self.check, name='health', daemon=True)
            self._looking.start()

    def _checks(self) -> driver_api.ChecksHealth | None:
        """Return the driver if it has a health check."""
        driver = self._backend.driver
        return driver if isinstance(driver, driver_api.ChecksHealth) else None

    def check(self) -> None:
        """Check the storage; mark the back end as down, or start it again."""
        backend = self._backend
        try:
            checked = self._checks()
            if checked:
                with probes.probing(backend):
                    checked.check_health(TIMEOUT_SECONDS)
        except Exception as exc:
            if not (isinstance(exc, exception.BackendUnresponsive) and exc.busy):
                backend.mark_down(exc)
            return
        if not backend.initialized and init_host.run(context.get_admin_context(), backend):
            LOG.info('Back end %s works again.', backend.host)
