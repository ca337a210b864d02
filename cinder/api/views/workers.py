# SPDX-License-Identifier: Apache-2.0
"""Answers about services whose left-overs are cleaned up."""
from cinder.api.views.base import Field, View

_FIELDS = [Field('id'), Field('host'), Field('binary'), Field('cluster_name')]

CLEANING = View('service', 'cleaning', _FIELDS)
UNAVAILABLE = View('service', 'unavailable', _FIELDS)
