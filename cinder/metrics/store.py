# SPDX-License-Identifier: Apache-2.0
"""The values of all processes of a daemon, in the multiprocess mode of prometheus-client: each
process maps files of a directory, any process can read all of them.

The files of a process have the number of its slot in their names and not its pid: the process that
replaces it continues its counters, so the number of files is bounded."""
import contextlib
import fcntl
import glob
import itertools
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cinder.metrics import exposition

LOG = logging.getLogger(__name__)

# Bytes of the files of a process: the most that it needs if it serves every route.
_SIZES = {'counter': 2 ** 20, 'histogram': 2 ** 21, 'gauge_livesum': 2 ** 16,
          'gauge_livemostrecent': 2 ** 18}
# Where the library looks for the directory.
VARIABLE = 'PROMETHEUS_MULTIPROC_DIR'


class Slots:
    """The number of each process of a daemon, kept by a lock on a file.

    :param directory: where the files are
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._number: str | None = None
        self._descriptor: int | None = None
        self._guard = threading.Lock()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Have this process take a slot of its own at its next count."""
        self._number, self._guard = None, threading.Lock()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def mine(self) -> str:
        """Return the slot of this process; the first call takes a free one."""
        if self._number is None:
            with self._guard:
                if self._number is None:
                    self._number = self._take()
        return self._number

    def _take(self) -> str:
        for number in itertools.count():
            descriptor = self._lock(number)
            if descriptor is not None:
                self._descriptor = descriptor
                self._remove_gauges(number)
                self._allocate(number)
                return str(number)
        raise AssertionError('unreachable')

    def _lock(self, number: int) -> int | None:
        descriptor = os.open(os.path.join(self._directory, f'slot-{number}'),
                             os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _allocate(self, number: int) -> None:
        """Reserve the space of the files: a write to a mapped file of a full file system would kill
        the process.

        :raises OSError: there is too little space
        """
        for name, size in _SIZES.items():
            path = os.path.join(self._directory, f'{name}_{number}.db')
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)

    def _remove_gauges(self, number: int) -> None:
        for path in glob.glob(os.path.join(glob.escape(self._directory),
                                           f'gauge_live*_{number}.db')):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def remove_dead(self) -> None:
        """Remove the gauges of processes that have ended; their counters are kept."""
        for number in range(len(glob.glob(os.path.join(glob.escape(self._directory), 'slot-*')))):
            descriptor = self._lock(number)
            if descriptor is not None:
                self._remove_gauges(number)
                os.close(descriptor)


class Store:
    """The metrics of table.py for the library.

    :param directory: of all processes of the daemon; it must exist
    """

    def __init__(self, directory: str) -> None:
        os.environ[VARIABLE] = directory
        from prometheus_client import values
        self.directory = directory
        self.slots = Slots(directory)
        # As its documentation says for the ids of the workers of uWSGI.
        values.ValueClass = values.MultiProcessValue(self.slots.mine)
        self._metrics: dict[str, Any] = {}
        self._failed = False
        # A lookup of a dictionary, in place of one with a lock.
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        """Have this process make its own metrics, and find out whether it can write its files."""
        self._children, self._metrics, self._failed = {}, {}, False

    def child(self, name: str, labels: tuple[str, ...]) -> Any:
        """Return the metric with these values of its labels; one that counts nothing if the files
        cannot be written: metrics must not make work fail."""
        try:
            return self._children[name, labels]
        except KeyError:
            metric = self._metrics.get(name) or self._make(name)
            found = self._children[name, labels] = metric.labels(*labels) if labels else metric
            return found

    def _make(self, name: str) -> Any:
        try:
            self.slots.mine()
            made = _make(name)
        except OSError as exc:
            if not self._failed:
                LOG.error('This process counts nothing, because %s cannot be written: %s',
                          self.directory, exc)
            self._failed, made = True, _Nothing()
        self._metrics[name] = made
        return made

    def render(self, *collectors: Any) -> bytes:
        """Return the values of all processes in the text format of Prometheus.

        :param collectors: further collectors of the library
        """
        from cinder.metrics import exposition
        self.slots.remove_dead()
        text = exposition.render(self.directory)
        if collectors:
            from prometheus_client import CollectorRegistry, generate_latest
            registry = CollectorRegistry()
            for collector in collectors:
                registry.register(collector)
            text += generate_latest(registry)
        return text

    def samples(self, metric: str) -> 'list[exposition.Sample]':
        """Return the samples of a metric, of all processes."""
        return self.read().get(metric, [])

    def read(self) -> 'dict[str, list[exposition.Sample]]':
        """Return the samples of all metrics by name, of all processes."""
        from cinder.metrics import exposition
        return exposition.read(self.directory)

    def close(self) -> None:
        """Release the slot of this process."""
        self.slots.forget()


class _Nothing:
    """A metric that counts nothing."""

    def labels(self, *_labels: str) -> '_Nothing':
        return self

    def count(self, _amount: float) -> None:
        """Do nothing."""

    inc = observe = set = count


def _make(name: str) -> Any:
    import prometheus_client as library

    from cinder.metrics import table
    metric = table.METRICS[name]
    if metric.kind == table.COUNTER:
        return library.Counter(name, metric.help, metric.labels, registry=None)
    if metric.kind == table.HISTOGRAM:
        return library.Histogram(name, metric.help, metric.labels, registry=None,
                                 buckets=metric.buckets)
    return library.Gauge(name, metric.help, metric.labels, registry=None,
                         multiprocess_mode=metric.kind)


