# SPDX-License-Identifier: Apache-2.0
"""Selects the pools on the host of a server: the hint local_to_instance."""
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder import compute, context, exception
from cinder.scheduler import filters

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

HINT = 'local_to_instance'
# Seconds to wait for the compute service; other requests are placed meanwhile.
TIME_LIMIT = 10
# Name in RequestSpec.facts of the reason why the compute service did not answer.
TROUBLE = 'compute'


class InstanceLocalityFilter(filters.BaseFilter):
    """Compare the host of the pool with that of the server, which the compute service knows."""

    about_place = True
    hints = (HINT,)

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        server = (spec.get('scheduler_hints') or {}).get(HINT)
        if not server:
            return
        try:
            spec.facts[HINT] = compute.find_host(str(uuid.UUID(str(server))), TIME_LIMIT) or ''
        except exception.ServiceUnavailable as error:
            spec.facts[HINT] = ''
            spec.facts[TROUBLE] = str(error)

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        host = (spec.get('facts') or {}).get(HINT)
        if host is None or host == pool.host.partition('@')[0]:
            return None
        if TROUBLE in spec.facts:
            return filters.Reason(f'the host of the server of the hint {HINT} cannot be found out '
                                  'now', spec.facts[TROUBLE])
        return filters.Reason(f'not on the host of the server of the hint {HINT}',
                              f'that is {host}' if host else 'it has none')

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        return super().test(spec) if HINT in (spec.get('facts') or {}) else None
