# SPDX-License-Identifier: Apache-2.0
"""How an operation waits for another service: it checks once and returns to the journal until the
next check. Meanwhile it holds no place in the executor, no thread and no lock."""
import math
from typing import NoReturn

from cinder import context, exception, objects
from cinder.db import waiting as waiting_db

# Seconds between two checks; they grow with the time that the operation has waited.
SHORTEST, LONGEST = 0.1, 2


def wait(ctxt: context.RequestContext, operation: objects.Operation, reason: str, *,
         within: float = math.inf, otherwise: Exception | None = None,
         longest: float = LONGEST) -> NoReturn:
    """Return the operation to the journal, to be checked again later; call it within
    OperationRunner.claimed().

    :param reason: what the operation waits for; another reason starts a new wait.
    :param within: seconds, by the clock of the database, after which the wait ends.
    :param otherwise: error that is raised then.
    :param longest: most seconds between two checks.
    :raises NotYet: until then.
    """
    waited = waiting_db.waited(ctxt, operation, reason)
    if otherwise is not None and waited > within:
        raise otherwise
    raise exception.NotYet(min(max(waited, SHORTEST), longest), reason)
