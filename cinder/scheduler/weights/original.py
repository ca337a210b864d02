# SPDX-License-Identifier: Apache-2.0
"""Base class of weighers that were written for the original; cinder.scheduler.weights has it by its
name there."""
from typing import TYPE_CHECKING, Any, ClassVar

from cinder import context
from cinder.conf import CONF
from cinder.scheduler import statistics, weights

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class BaseHostWeigher(weights.BaseWeigher):
    """A weigher with the methods weight_multiplier() and _weigh_object(); it is created without
    arguments."""

    takes_options: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(CONF)

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        spec.facts[statistics.CONTEXT] = ctxt

    def weight_multiplier(self) -> float:
        """Return the factor of the weights."""
        return 1.0

    def _weigh_object(self, host_state: statistics.BackendState,
                      weight_properties: dict[str, Any]) -> float:
        """Return the weight of a pool in any unit."""
        raise NotImplementedError

    def weigh(self, pool: 'Pool', spec: 'objects.RequestSpec') -> float | None:
        # Read for each decision, because the method may read an option that was reloaded.
        self.multiplier = self.weight_multiplier()
        return self._weigh_object(statistics.BackendState(pool), statistics.properties(spec))
