# SPDX-License-Identifier: Apache-2.0
"""The store of this service: its driver, and whether it answers. The driver knows how to ask."""
import threading
import time
from collections.abc import Callable

from oslo_config import cfg
from oslo_log import log as logging

from cinder import concurrency, failures
from cinder.backup import driver as driver_api

LOG = logging.getLogger(__name__)


class Store:
    """Loads the driver and checks in the background, one check at a time, whether the store
    answers: a store that hangs occupies one thread.

    :param conf: options
    :param clock: monotonic time in seconds
    :ivar driver: the driver of the option backup_driver
    :ivar trouble: why the store cannot be used; '' when it answers
    :raises InvalidConfigurationValue: the driver cannot be loaded, or refuses its options
    """

    def __init__(self, conf: cfg.ConfigOpts, clock: Callable[[], float] = time.monotonic) -> None:
        self.driver = driver_api.load(conf)
        self.trouble = 'its store has not been checked yet'
        self._conf, self._clock = conf, clock
        self._due = clock()
        self._began = 0.0
        self._checking: threading.Thread | None = None

    @property
    def answers(self) -> bool:
        """Whether the store answered when it was last checked."""
        return not self.trouble

    @property
    def service(self) -> str:
        """The class path of the driver, which is the column `service` of its backups."""
        return self.driver.class_path()

    def check_soon(self) -> None:
        """Make the next start_check() start a check."""
        self._due = self._clock()

    def start_check(self) -> None:
        """Start a check if one is due, and do not wait for it; part of the heartbeat."""
        if self._checking is not None and self._checking.is_alive():
            self._note_slowness()
        elif self._clock() >= self._due:
            self._began = self._clock()
            self._checking = threading.Thread(target=self.check, name='store-check', daemon=True)
            self._checking.start()

    def _note_slowness(self) -> None:
        waited = self._clock() - self._began
        if waited > self._conf.backup_driver_init_check_interval:
            self._note(f'its store has not answered for {waited:.0f} s')

    def check(self) -> None:
        """Check the store, and keep the reason when it does not answer."""
        trouble = ''
        try:
            self.driver.set_up()
            concurrency.call_long(self.driver.check, 'store-check')
        except Exception as exc:  # a driver may raise any error
            trouble = failures.one_line(exc)
        self._note(trouble)
        self._due = self._clock() + (self._conf.backup_driver_init_check_interval if trouble
                                     else self._conf.backup_driver_stats_polling_interval)

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            if trouble:
                LOG.error('The backup store of %s cannot be used: %s', self.service, trouble)
            else:
                LOG.info('The backup store of %s answers.', self.service)
        self.trouble = trouble
