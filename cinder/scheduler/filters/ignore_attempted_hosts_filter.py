# SPDX-License-Identifier: Apache-2.0
"""The filter with the name RetryFilter, for configurations of the original that have it."""
from cinder.scheduler import filters


class IgnoreAttemptedHostsFilter(filters.BaseFilter):
    """Exclude no pool: every decision excludes the back ends on which the request has failed."""

    def test(self, spec: object) -> None:
        return None
