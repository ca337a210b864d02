# SPDX-License-Identifier: Apache-2.0
"""Use case of operations: cancel one."""
from cinder import fault_points, operations
from cinder.context import RequestContext


def cancel(ctxt: RequestContext, operation_id: str) -> None:
    """Cancel an operation that has not begun, or whose work can stop; then the service stops it
    within seconds.

    :raises OperationNotFound: it does not exist.
    :raises NotCancellable: it has ended, begins at this moment, or cannot be cancelled.
    """
    with fault_points.around('operation.cancel:api:commit'):
        operations.cancel(ctxt.elevated(), operation_id)
