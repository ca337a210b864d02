# SPDX-License-Identifier: Apache-2.0
"""Responses about what is in the trash."""
from cinder.api.schemas.base import nullable, one_of
from cinder.api.views import shapes
from cinder.api.views.base import Field, View
from cinder.policies import trash as policy

VIEW = View('trash', 'trash', [
    Field('id', type=shapes.UUID),
    Field('resource_type', type=one_of('volume', 'snapshot')),
    Field('name', 'display_name'),
    Field('size', type=shapes.NUMBER),
    Field('volume_id', type=shapes.UUID),
    Field('volume_type_id', type=nullable(shapes.UUID)),
    Field('status', type=one_of('kept', 'purging', 'error_purging', 'restoring')),
    Field('consumes_quota', 'counted', type=shapes.BOOLEAN),
    Field('project_id', type=nullable(shapes.TEXT)),
    Field('user_id'),
    Field('deleted_at', 'created_at', type=shapes.TIME),
    Field('purge_at', type=shapes.TIME),
    Field('host', type=nullable(shapes.TEXT), policy=policy.SEE_HOST),
], 'trash_links')
