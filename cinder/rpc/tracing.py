# SPDX-License-Identifier: Apache-2.0
"""Passes the osprofiler trace of a request along with its messages. cinder.service.profiler imports
osprofiler, if it is enabled; otherwise the functions here do nothing."""
import contextlib
import sys
import types
from collections.abc import Iterator, Mapping

# Key in the context of a message, as in other services.
KEY = 'trace_info'


def _library() -> types.ModuleType | None:
    return sys.modules.get('osprofiler.profiler')


def current_trace() -> dict | None:
    """Return the position of this thread in its trace; None without a trace."""
    library = _library()
    trace = library and library.get()
    if not trace:
        return None
    return {'hmac_key': trace.hmac_key, 'base_id': trace.get_base_id(),
            'parent_id': trace.get_id()}


@contextlib.contextmanager
def continue_trace(ctxt: Mapping, method: str | None) -> Iterator[None]:
    """Add the body to the trace of a message.

    :param ctxt: context of the message, as it was sent.
    """
    library, info = _library(), ctxt.get(KEY)
    if not (library and info):
        yield
        return
    library.init(**info)
    library.start('rpc', info={'method': method})
    try:
        yield
    finally:
        library.stop()
        # The thread handles other messages next.
        library.clean()
