# SPDX-License-Identifier: Apache-2.0
"""Responses about the default volume types of projects."""
from cinder.api.views.base import Field, View

VIEW = View('default_type', 'default_types', [Field('project_id'), Field('volume_type_id')])
