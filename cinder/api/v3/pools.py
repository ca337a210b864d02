# SPDX-License-Identifier: Apache-2.0
"""Handler of the pools of all back ends, as the scheduler knows them."""
from typing import Any

from cinder import exception
from cinder.api import converters, filters, wsgi
from cinder.api import microversions as mv
from cinder.api.views import shapes
from cinder.i18n import _
from cinder.policies import pools as policy
from cinder.rpc import scheduler


@wsgi.query(detail=converters.boolean, name=(mv.POOL_FILTERS, converters.text),
            volume_type=(mv.POOL_TYPE_FILTER, converters.text))
@wsgi.response(200, shapes.wrap('pools', shapes.items(
    shapes.parts(shapes.record('name', 'capabilities')))))
def get_pools(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.GET_POOLS)
    detail = req.params.get('detail', False)
    pools = scheduler.SchedulerAPI().get_pools(req.context, _filters(req))
    return {'pools': [pool if detail else {'name': pool['name']} for pool in pools]}


def _filters(req: wsgi.Request) -> dict[str, str]:
    """Return the filters; :raises InvalidInput: a filter is not configured, also for admins."""
    wanted = {key: value for key, value in req.query.items() if key != 'detail'}
    if req.api_version < mv.POOL_FILTERS:
        return {}
    if req.api_version < mv.POOL_TYPE_FILTER:
        wanted.pop('volume_type', None)
    unknown = set(wanted).difference(filters.allowed_filters('pool'))
    if unknown and req.api_version >= mv.CONFIGURED_FILTERS:
        raise exception.InvalidInput(
            reason=_('filter %s is not supported') % ', '.join(sorted(unknown))[:255])
    return wanted
