# SPDX-License-Identifier: Apache-2.0
"""The addresses of the monitors, from the map that the monitors themselves have."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cinder.brick.ceph.pool import Pool
from cinder.concurrency import original

# Seconds for which a map is used: monitors change rarely, and hosts need one of them to answer.
SECONDS = 60
# What a client that names no protocol speaks first; kernels before 5.11 speak only that one.
_PREFERRED = ('v1', 'v2')
_Lock = original('threading').Lock


def addresses(dump: dict[str, Any]) -> list[tuple[str, str]]:
    """Return host and port of each monitor; IPv6 addresses have no brackets.

    :param dump: answer of the monitor to `mon dump`
    """
    found = []
    for monitor in dump['mons']:
        by_type = {each['type']: each['addr']
                   for each in monitor.get('public_addrs', {}).get('addrvec', ())}
        chosen = next((by_type[kind] for kind in _PREFERRED if kind in by_type),
                      monitor.get('addr', ''))
        host, _colon, port = chosen.partition('/')[0].rpartition(':')
        if host:
            found.append((host.strip('[]'), port))
    return found


class Monitors:
    """The addresses, asked for again when they are older than SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: list[tuple[str, str]] = []
        self._until = 0.0
        self._guard = _Lock()

    def of(self, pool: Pool) -> list[tuple[str, str]]:
        """Return host and port of each monitor of the cluster of a pool.

        :raises CephError: no monitor answers
        """
        with self._guard:
            if self._found and self._clock() < self._until:
                return self._found
        found = addresses(pool.monitor('mon dump'))
        with self._guard:
            self._found, self._until = found, self._clock() + SECONDS
        return found
