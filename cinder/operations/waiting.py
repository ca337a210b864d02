# SPDX-License-Identifier: Apache-2.0
"""How an operation waits for somebody else: it looks once, and goes back to the journal until it is
time for another look. Meanwhile it holds no place, thread or lock."""
import math
from typing import NoReturn

from cinder import context, exception, objects
from cinder.db import operations as operations_db

# Seconds between two looks; they grow with the time that was waited.
SHORTEST, LONGEST = 0.1, 2


def wait(ctxt: context.RequestContext, operation: objects.Operation, reason: str, *,
         within: float = math.inf, otherwise: Exception | None = None,
         longest: float = LONGEST) -> NoReturn:
    """Look again later; call it in the body of a runner's hold().

    :param reason: what it waits for: another reason begins to wait anew.
    :param within: seconds, by the clock of the database, for which it waits.
    :param otherwise: what is raised when they are over.
    :param longest: seconds between two looks at most.
    :raises NotYet: else.
    """
    waited = operations_db.waited(ctxt, operation, reason)
    if otherwise is not None and waited > within:
        raise otherwise
    raise exception.NotYet(min(max(waited, SHORTEST), longest), reason)
