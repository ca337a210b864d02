# SPDX-License-Identifier: Apache-2.0
"""Responses about volume transfers; their links have the legacy URL in all cases."""
from cinder.api import microversions as mv
from cinder.api.views.base import Field, View, links

_FIELDS = [
    Field('id'),
    Field('volume_id'),
    Field('name', 'display_name'),
    Field('links', links('os-volume-transfer')),
]
_DETAIL = [
    *_FIELDS,
    Field('created_at'),
    Field('no_snapshots', since=mv.TRANSFER_SNAPSHOTS),
    Field('destination_project_id', since=mv.TRANSFER_HISTORY),
    Field('source_project_id', since=mv.TRANSFER_HISTORY),
    Field('accepted', since=mv.TRANSFER_HISTORY),
]

SUMMARY = View('transfer', 'transfers', _FIELDS, 'transfers_links')
DETAIL = View('transfer', 'transfers', _DETAIL, 'transfers_links')
# The only response with the key.
CREATED = View('transfer', 'transfers', [*_DETAIL, Field('auth_key')])
