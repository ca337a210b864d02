# SPDX-License-Identifier: Apache-2.0
"""What the threads of this process are: native ones, or the green ones of eventlet. The code that
has to do with the difference calls this package; nothing else of the tree knows of it.

Which one a daemon has, its operator says with the option concurrency_backend; cinder.cmd reads it.
Programs that are no daemons have native threads, whatever the option says.
"""
import importlib
import select
import sys
import types
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec('P')
T = TypeVar('T')

EVENTLET, THREADING = BACKENDS = ('eventlet', 'threading')


def is_green() -> bool:
    """Whether the threads of this process are those of eventlet."""
    patcher = sys.modules.get('eventlet.patcher')
    return patcher is not None and bool(patcher.is_monkey_patched('thread'))


def name() -> str:
    """Which of BACKENDS this process has."""
    return EVENTLET if is_green() else THREADING


def use(backend: str) -> None:
    """Choose the threads of this process; call it before anything else is imported.

    :param backend: one of BACKENDS
    """
    # oslo.messaging imports eventlet even where nothing uses it, and eventlet warns of itself. Here
    # it loads less; and a native thread that is the first to import it could never be joined.
    warnings.filterwarnings('ignore', message='\nEventlet is deprecated')
    eventlet_backend = _eventlet()
    if backend == EVENTLET:
        eventlet_backend.patch()
    # Of oslo.service, whose services, timers and signals are then made of the same threads.
    from oslo_service import backend as library
    library.init_backend(library.BackendType(backend))


def original(module: str) -> types.ModuleType:
    """A module of the standard library whose functions know nothing of green threads."""
    return _eventlet().original(module) if is_green() else importlib.import_module(module)


def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that blocks. Where threads are green it runs in one of a few native threads,
    so that the others go on meanwhile."""
    if is_green():
        return _eventlet().call(function, *args, **kwargs)
    return function(*args, **kwargs)


def call_long(function: Callable[[], T], thread_name: str) -> T:
    """The same for a call that may take hours: in a native thread of its own."""
    return _eventlet().call_long(function, thread_name) if is_green() else function()


def is_readable(descriptor: int, seconds: float) -> bool:
    """Wait until there is something to read, for so many seconds at most."""
    wait = _eventlet().select if is_green() else select.select
    return bool(wait([descriptor], [], [], seconds)[0])


def _eventlet() -> types.ModuleType:
    # Loaded where it is used only.
    from cinder.concurrency import eventlet_backend
    return eventlet_backend
