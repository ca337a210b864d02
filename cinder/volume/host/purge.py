# SPDX-License-Identifier: Apache-2.0
"""Runs the removal of deleted volumes that stayed on the storage, in the background: the driver
decides which, and how often it looks for them."""
import threading

from oslo_log import log as logging

from cinder import failures
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)

# Seconds between two calls of the driver.
SECONDS = 10


class Purge:
    """Makes one call at a time, so that a storage that hangs occupies one thread."""

    def __init__(self, backend: backends.Backend) -> None:
        self._backend = backend
        self._working: threading.Thread | None = None

    def start(self) -> None:
        """Start a call and do not wait for it."""
        driver = self._backend.driver
        if isinstance(driver, driver_api.PurgesDeleted) and (
                self._working is None or not self._working.is_alive()):
            self._working = threading.Thread(target=self._run, args=(driver,), name='purge',
                                             daemon=True)
            self._working.start()

    def _run(self, driver: driver_api.PurgesDeleted) -> None:
        try:
            driver.purge_deleted()
        except Exception:
            failures.log(LOG, 'Deleted volumes could not be removed from %s.', self._backend.host)
