# SPDX-License-Identifier: Apache-2.0
"""Responses about attachments; times that are not set are empty strings, as clients expect."""
from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils

from cinder.api import wsgi
from cinder.api.views.base import Field, View
from cinder.policies import attachments as policy


def _attached_at(_req: wsgi.Request, row: Mapping) -> object:
    return row['attach_time'] or ''


def _detached_at(_req: wsgi.Request, row: Mapping) -> object:
    return row['detach_time'] or ''


def _connection_info(req: wsgi.Request, row: Mapping) -> dict[str, Any]:
    info = row['connection_info'] or {}
    if info and not req.context.is_service and not req.context.can(policy.SEE_SECRETS, row):
        return strutils.mask_dict_password(info)
    return info


_FIELDS = [
    Field('id'),
    Field('status', 'attach_status'),
    Field('instance', 'instance_uuid'),
    Field('volume_id'),
]
SUMMARY = View('attachment', 'attachments', _FIELDS)
DETAIL = View('attachment', 'attachments', [
    *_FIELDS,
    Field('attached_at', _attached_at),
    Field('detached_at', _detached_at),
    Field('attach_mode'),
    Field('connection_info', _connection_info),
])
