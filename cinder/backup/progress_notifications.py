# SPDX-License-Identifier: Apache-2.0
"""Notifications backup.createprogress while a backup is created: from time to time, and after a
number of objects, as the options say."""
import functools
import time
from collections.abc import Callable

from cinder import objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.rpc import notifications

EVENT = 'backup.createprogress'


class ProgressNotifier:
    """Sends the notifications of one backup.

    :param timer: whether they are sent after a time too
    :param clock: monotonic time in seconds
    """

    def __init__(self, ctxt: RequestContext, backup: objects.Backup, timer: bool,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._ctxt, self._backup, self._timer, self._clock = ctxt, backup, timer, clock
        self._when, self._objects = clock(), 0

    def observe(self, done: int, total: int, count: int) -> Callable[[], None] | None:
        """Return what sends a notification, if one is due, in the transaction that records the
        progress.

        :param done: bytes of the volume, of `total`
        :param count: finished objects
        """
        now = self._clock()
        late = self._timer and now - self._when >= CONF.backup_timer_interval
        if not late and count - self._objects < CONF.backup_object_number_per_notification:
            return None
        self._when, self._objects = now, count
        return functools.partial(notifications.notify, self._ctxt, 'backup', EVENT, self._backup,
                                 backup_percent=done * 100 / total if total else 100.0)
