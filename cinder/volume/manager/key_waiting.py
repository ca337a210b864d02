# SPDX-License-Identifier: Apache-2.0
"""Lets an operation wait for a key manager that is down."""
import contextlib
from collections.abc import Iterator

from cinder import exception, objects, operations
from cinder.context import RequestContext
from cinder.volume.manager.encrypted_transfers import KEY_MANAGER_SECONDS


@contextlib.contextmanager
def awaited(ctxt: RequestContext, operation: objects.Operation) -> Iterator[None]:
    """Put an operation aside whose body needs a key manager that is down.

    :raises NotYet: it is.
    :raises KeyManagerUnavailable: it was for too long, or refuses.
    """
    try:
        yield
    except exception.KeyManagerRefuses:
        raise
    except exception.KeyManagerUnavailable as exc:
        operations.wait(ctxt, operation, 'the key manager', within=KEY_MANAGER_SECONDS,
                        otherwise=exc)
