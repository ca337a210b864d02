# SPDX-License-Identifier: Apache-2.0
"""What the last use of another service by this process has shown, such as of the key manager. No
request is sent to find out."""
import time
from typing import NamedTuple

# Characters of an error that are kept.
LONGEST = 300


class Use(NamedTuple):
    """The last use; `at` in seconds since 1970, `error` is '' if it succeeded."""

    at: float
    error: str


_last: dict[str, Use] = {}


def note(service: str, error: str = '') -> None:
    """Keep how the use of a service has ended.

    :param error: '' for a success
    """
    _last[service] = Use(time.time(), error[:LONGEST])


def failing() -> dict[str, Use]:
    """Return the services whose last use has failed."""
    return {service: use for service, use in list(_last.items()) if use.error}
