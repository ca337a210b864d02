# SPDX-License-Identifier: Apache-2.0
"""Weighs pools by chance."""
import random
from typing import TYPE_CHECKING

from cinder.scheduler import weights

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class ChanceWeigher(weights.BaseWeigher):
    """A random number for each pool and decision."""

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        return random.random()  # nosec B311 # no secret
