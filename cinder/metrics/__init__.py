# SPDX-License-Identifier: Apache-2.0
"""Counts and times of this process. All functions do nothing until start() is called.

table.py has the names, store.py the values of all processes of a daemon. This package imports no
other one of cinder, so each may use it."""
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinder.metrics.store import Store

# The text format of Prometheus.
CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

_store: 'Store | None' = None
_NOTHING = contextlib.nullcontext()


def start(directory: str) -> None:
    """Begin to count, in files of a directory that all processes of the daemon use."""
    global _store
    # The library takes 3 MB, and most installations do not use it.
    from cinder.metrics import store
    _store = store.Store(directory)


def stop() -> None:
    """Count no more; for tests."""
    global _store
    if _store is not None:
        _store.close()
    _store = None


def current() -> 'Store | None':
    """Return the values of the daemon; None: they are off."""
    return _store


def is_on() -> bool:
    """Return whether anything is counted."""
    return _store is not None


def count(name: str, *labels: str, amount: float = 1) -> None:
    """Increase a counter.

    :param labels: values of the labels, in the order of the table
    """
    if _store is not None:
        _store.child(name, labels).inc(amount)


def observe(name: str, value: float, *labels: str) -> None:
    """Add a value, usually in seconds, to a histogram."""
    if _store is not None:
        _store.child(name, labels).observe(value)


def gauge(name: str, value: float, *labels: str) -> None:
    """Set the present value of a gauge."""
    if _store is not None:
        _store.child(name, labels).set(value)


def timed(name: str, *labels: str, error: Callable[[BaseException], str] | None = None,
          ) -> contextlib.AbstractContextManager[None]:
    """Measure how long the body takes, and count its errors.

    :param name: prefix of the histogram `<name>_seconds` and of the counter `<name>_errors_total`,
        which has one label more
    :param error: returns the value of that label; by default the class of the exception
    """
    return _NOTHING if _store is None else _timed(name, labels, error or _class)


@contextlib.contextmanager
def _timed(name: str, labels: tuple[str, ...],
           error: Callable[[BaseException], str]) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    except Exception as exc:
        count(f'{name}_errors_total', *labels, error(exc))
        raise
    finally:
        observe(f'{name}_seconds', time.perf_counter() - began, *labels)


def _class(exc: BaseException) -> str:
    return type(exc).__name__
