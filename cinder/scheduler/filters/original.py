# SPDX-License-Identifier: Apache-2.0
"""Base class of filters that were written for the original; cinder.scheduler.filters has it by its
names there."""
from typing import TYPE_CHECKING, Any, ClassVar

from cinder import context
from cinder.conf import CONF
from cinder.scheduler import filters, statistics

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class BaseBackendFilter(filters.BaseFilter):
    """A filter with the method backend_passes(); it is created without arguments."""

    takes_options: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(CONF)

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        spec.facts[statistics.CONTEXT] = ctxt

    def backend_passes(self, backend_state: statistics.BackendState,
                       filter_properties: dict[str, Any]) -> bool:
        """Return whether the pool can take the volume."""
        raise NotImplementedError

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        if self.backend_passes(statistics.BackendState(pool), statistics.properties(spec)):
            return None
        return filters.Reason('does not pass a filter of the operator')
