# SPDX-License-Identifier: Apache-2.0
"""Responses about group types."""
from cinder.api.views.base import Field, View
from cinder.policies import group_types as policy

VIEW = View('group_type', 'group_types', [
    Field('id'),
    Field('name'),
    Field('description'),
    Field('is_public'),
    Field('group_specs', policy=policy.SEE_SPECS),
], 'group_type_links')
