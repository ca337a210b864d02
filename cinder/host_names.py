# SPDX-License-Identifier: Apache-2.0
"""The parts of 'host@backend#pool', and the name of this machine."""
import socket


def backend_of(host: str | None) -> str | None:
    """Return 'host@backend' of 'host@backend#pool'."""
    return host.partition('#')[0] if host else host


def pool_of(host: str | None) -> str | None:
    """Return 'pool' of 'host@backend#pool', or None when no pool is named."""
    return (host or '').partition('#')[2] or None


def machine_id() -> str:
    """Return the unique name of this machine: its host name and boot id."""
    with open('/proc/sys/kernel/random/boot_id') as file:
        return f'{socket.gethostname()}/{file.read().strip()}'
