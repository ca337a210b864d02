# SPDX-License-Identifier: Apache-2.0
"""A trace of osprofiler goes with the messages of its request. osprofiler is imported elsewhere, by
cinder.service.profiler, and only where it is switched on; without it nothing happens here."""
import contextlib
import sys
from collections.abc import Iterator, Mapping

# Key of a message's context; the same name as in other services.
KEY = 'trace_info'


def _library():
    return sys.modules.get('osprofiler.profiler')


def current() -> dict | None:
    """Where in its trace this thread is; None where nothing is traced."""
    library = _library()
    trace = library and library.get()
    if not trace:
        return None
    return {'hmac_key': trace.hmac_key, 'base_id': trace.get_base_id(),
            'parent_id': trace.get_id()}


@contextlib.contextmanager
def follow(ctxt: Mapping, method: str | None) -> Iterator[None]:
    """Make the body a part of the trace that a message came with.

    :param ctxt: the context of the message, as it was sent.
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
        # The thread serves other messages next.
        library.clean()
