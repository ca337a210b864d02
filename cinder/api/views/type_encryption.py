# SPDX-License-Identifier: Apache-2.0
"""Responses about the encryption settings of volume types."""
from cinder.api.views import shapes
from cinder.api.views.base import Field, View

_SETTINGS = [Field('cipher'), Field('key_size'), Field('provider'), Field('control_location'),
             Field('encryption_id'), Field('volume_type_id')]
CREATED = View('encryption', 'encryption', _SETTINGS)
# Settings are removed from the database on deletion, so existing ones are never deleted.
SHOWN = View('encryption', 'encryption', [
    *_SETTINGS, Field('created_at'), Field('updated_at'),
    Field('deleted', lambda _req, _row: False), Field('deleted_at', lambda _req, _row: None)])
# The response of a type without settings is empty; a single setting is shown alone.
FACTS = shapes.parts(shapes.record(
    'cipher', 'key_size', 'provider', 'control_location', 'encryption_id', 'volume_type_id',
    'created_at', 'updated_at', 'deleted', 'deleted_at'))
