# SPDX-License-Identifier: Apache-2.0
"""Handlers of hosts: their services, the resources of projects on them, and enabling them."""
from typing import Any

from cinder import exception, objects
from cinder.api import converters, listings, wsgi
from cinder.api.schemas import hosts as schema
from cinder.api.views import hosts as view
from cinder.api.views import shapes
from cinder.db import hosts as hosts_db
from cinder.db import services as services_db
from cinder.policies import hosts as policy


@wsgi.query(zone=converters.text)
@wsgi.response(200, view.VIEW.page)
def index(req: wsgi.Request) -> dict[str, Any]:
    req.context.authorize(policy.MANAGE)
    zone = req.params.get('zone')
    found = [row for row in services_db.list_rows(req.context)
             if zone in (None, row['availability_zone'])]
    return view.VIEW.page(req, listings.Rows(found))


@wsgi.response(200, view.USAGE)
def show(req: wsgi.Request, host_name: str) -> dict[str, Any]:
    req.context.authorize(policy.MANAGE)
    _services(req, host_name)
    usage = hosts_db.usage(req.context, host_name)
    total = tuple(map(sum, zip((0, 0, 0, 0), *usage.values(), strict=True)))
    return {'host': [view.render_resource(host_name, '(total)', total), *(
        view.render_resource(host_name, project, usage[project]) for project in sorted(
            usage, key=str))]}


@wsgi.body(schema.UPDATE)
@wsgi.response(200, shapes.record('host', 'status'))
def update(req: wsgi.Request, host_name: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.MANAGE)
    disabled = body['status'] == 'disable'
    for service in _services(req, host_name):
        services_db.update(req.context, service.id,
                           {'disabled': disabled, 'disabled_reason': None})
    return {'host': host_name, 'status': 'disabled' if disabled else 'enabled'}


def _services(req: wsgi.Request, host: str) -> list[objects.Service]:
    """Return the services of a host with all its back ends, or of one back end.

    :raises HostNotFound: there are none.
    """
    found = services_db.list_all(req.context, host=host)
    if not found:
        raise exception.HostNotFound(host=host)
    return found
