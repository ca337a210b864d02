# SPDX-License-Identifier: Apache-2.0
"""Queues messages for sending, so that senders do not wait for the broker."""
import logging
import os
import queue
import threading
import time
from collections.abc import Callable

from cinder import metrics

LOG = logging.getLogger(__name__)

# After a failure, messages are dropped for this many seconds instead of queueing up behind attempts
# to connect; the rows of the operations keep the work.
OUTAGE_PAUSE = 5
OUTBOX_SIZE = 1000


class Outbox:
    """Sends messages in order, in one thread, so that no request waits for a slow broker.

    :param consolation: consequence of a dropped message, for the log.
    """

    def __init__(self, consolation: str = '') -> None:
        self._consolation = consolation
        self._starting = threading.Lock()
        self._pid: int | None = None
        self._resume_at = 0.0
        self._lost = 0

    def put(self, send: Callable[[], None], method: str) -> None:
        with self._starting:
            if self._pid != os.getpid():
                self._start()
        try:
            self._queue.put_nowait((send, method))
        except queue.Full:
            self._drop(method, 'the queue of waiting messages is full')

    def _start(self) -> None:
        # A forked worker inherits the queue but not the thread.
        self._queue: queue.Queue = queue.Queue(OUTBOX_SIZE)
        self._pid = os.getpid()
        threading.Thread(target=self._run, args=(self._queue,), daemon=True,
                         name='rpc-outbox').start()

    def flush(self, seconds: float) -> None:
        """Wait until all messages are sent, for at most `seconds`."""
        deadline = time.monotonic() + seconds
        while (self._pid == os.getpid() and self._queue.unfinished_tasks
               and time.monotonic() < deadline):
            time.sleep(0.01)

    def _run(self, waiting: queue.Queue) -> None:
        while True:
            self._send(*waiting.get())
            waiting.task_done()

    def _send(self, send: Callable[[], None], method: str) -> None:
        if time.monotonic() < self._resume_at:
            self._drop(method, 'the broker is unreachable')
            return
        try:
            began = time.perf_counter()
            send()
            metrics.observe('cinder_message_cast_seconds', time.perf_counter() - began, method)
        except Exception as exc:  # the thread must go on with the next message
            self._resume_at = time.monotonic() + OUTAGE_PAUSE
            self._drop(method, exc)
            return
        if self._lost:
            LOG.info('Messages can be sent again; %d were dropped.', self._lost)
            self._lost = 0

    def _drop(self, method: str, reason: object) -> None:
        metrics.count('cinder_message_casts_lost_total', method)
        level = logging.DEBUG if self._lost else logging.WARNING
        LOG.log(level, 'Message %s was not sent: %s. %s', method, reason, self._consolation)
        self._lost += 1
