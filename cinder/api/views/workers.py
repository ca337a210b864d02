# SPDX-License-Identifier: Apache-2.0
"""Responses about services whose operations are cleaned up."""
from cinder.api.views import shapes
from cinder.api.views.base import Field, View

_FIELDS = [Field('id'), Field('host'), Field('binary'), Field('cluster_name')]

CLEANING = View('service', 'cleaning', _FIELDS)
UNAVAILABLE = View('service', 'unavailable', _FIELDS)

_SERVICES = shapes.items(shapes.record('host', 'binary', 'cluster_name', id=shapes.NUMBER))
ASKED = shapes.record(cleaning=_SERVICES, unavailable=_SERVICES)
