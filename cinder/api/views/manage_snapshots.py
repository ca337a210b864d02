# SPDX-License-Identifier: Apache-2.0
"""Responses about manageable snapshots."""
from cinder.api.views import manage_volumes
from cinder.api.views.base import Field, View

_FIELDS = [*manage_volumes.FIELDS, Field('source_reference')]

SUMMARY = View('manageable-snapshot', 'manageable-snapshots', _FIELDS)
DETAIL = View('manageable-snapshot', 'manageable-snapshots', _FIELDS + manage_volumes.DETAILS)
