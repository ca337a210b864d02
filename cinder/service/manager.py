# SPDX-License-Identifier: Apache-2.0
"""What Service calls of a manager, whose class an option names. The managers are in cinder.volume
and cinder.scheduler."""
from collections.abc import Callable, Iterable
from typing import Protocol

from cinder.context import RequestContext


class Manager(Protocol):
    """The work of one service. It is made in the process that does it.

    :cvar RPC_API_VERSION: version of its messages
    :ivar additional_endpoints: further objects whose methods are messages
    :ivar receives_messages: set by Service, whether messages arrive
    :ivar service_id: set by Service, id of its row
    """

    RPC_API_VERSION: str
    additional_endpoints: Iterable[object]
    receives_messages: Callable[[RequestContext], bool]
    service_id: int
    service_uuid: str

    def init_host(self, *, added_to_cluster: bool, service_id: int | None) -> None:
        """Start, before messages are received."""

    def init_host_with_rpc(self) -> None:
        """Continue the start when messages are received."""

    def is_working(self) -> bool:
        """Return whether the service may report itself up."""

    def heartbeat(self) -> None:
        """Do what each heartbeat does, such as to renew leases."""

    # Optional: describe() returns what it waits for, and facts for /readyz; handle_lost_messages()
    # is called once for each outage in which the service received no messages.

    def run_periodic_tasks(self, ctxt: RequestContext) -> object:
        """Run the periodic tasks that are due."""

    def reset(self) -> None:
        """Handle a reload of the options."""

    def stop(self) -> None:
        """Begin no more work."""

    def wait(self) -> None:
        """Wait until the work that runs has ended."""

    def release_operations(self) -> None:
        """Give back the operations that have not ended, for others or the next start."""

    def notify_peers(self) -> None:
        """Have other services begin what this one no longer begins."""
