# SPDX-License-Identifier: Apache-2.0
"""Responses about QoS specs and their associations."""
from collections.abc import Mapping
from typing import Any

from cinder.api import urls, wsgi
from cinder.api.views import shapes
from cinder.api.views.base import Field, View

VIEW = View('qos_specs', 'qos_specs', [
    Field('id'),
    Field('name'),
    Field('consumer'),
    Field('specs'),
], 'qos_specs_links')

ASSOCIATIONS = View('qos_association', 'qos_associations', [
    Field('association_type', lambda _req, _row: 'volume_type'),
    Field('name'),
    Field('id'),
])

# The result of with_links(), and the result of an update.
WITH_LINKS = shapes.record('links', qos_specs=shapes.record('id', 'name', 'consumer', 'specs'))
CHANGED = shapes.wrap('qos_specs', shapes.TEXTS)


def with_links(req: wsgi.Request, row: Mapping) -> dict[str, Any]:
    """Return one set of QoS specs; its links are beside it."""
    return {**VIEW.one(req, row), 'links': urls.links(req, 'qos-specs', row['id'])}
