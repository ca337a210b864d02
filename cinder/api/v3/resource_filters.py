# SPDX-License-Identifier: Apache-2.0
"""Handler of the configured list filters."""
from typing import Any

from cinder.api import converters, filters, wsgi
from cinder.api import microversions as mv
from cinder.api.views import shapes


@wsgi.versions(mv.RESOURCE_FILTERS)
@wsgi.query(resource=converters.text)
@wsgi.response(200, shapes.wrap('resource_filters', shapes.items(
    shapes.record('resource', 'filters'))))
def index(req: wsgi.Request) -> dict[str, Any]:
    wanted = req.params.get('resource')
    return {'resource_filters': [
        {'resource': name, 'filters': list(names)} for name, names in filters.all_filters().items()
        if wanted is None or name == wanted]}
