# SPDX-License-Identifier: Apache-2.0
"""Which list filters users have."""
from typing import Any

from cinder.api import filters, wsgi
from cinder.api import microversions as mv


@wsgi.versions(mv.RESOURCE_FILTERS)
def index(req: wsgi.Request) -> dict[str, Any]:
    wanted = req.query.get('resource')
    return {'resource_filters': [
        {'resource': name, 'filters': list(names)} for name, names in filters.every().items()
        if wanted is None or name == wanted]}
