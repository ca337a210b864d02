# SPDX-License-Identifier: Apache-2.0
"""Answers about QoS specs, and about what is tied to them."""
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

# What with_links() gives, and what an update repeats.
WITH_LINKS = shapes.record('links', qos_specs=shapes.record('id', 'name', 'consumer', 'specs'))
CHANGED = shapes.wrap('qos_specs', shapes.TEXTS)


def with_links(req: wsgi.Request, row: Mapping) -> dict[str, Any]:
    """One set; its links stand beside it."""
    return {**VIEW.one(req, row), 'links': urls.links(req, 'qos-specs', row['id'])}
