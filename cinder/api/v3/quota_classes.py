# SPDX-License-Identifier: Apache-2.0
"""Handlers of quota classes; the class `default` applies to projects without own limits."""
from typing import Any

from cinder import exception, quota
from cinder.api import wsgi
from cinder.api.schemas import quotas as schema
from cinder.api.v3 import quotas
from cinder.api.views import shapes
from cinder.db import quotas as quotas_db
from cinder.i18n import _
from cinder.policies import quota_classes as policy


def _limits(req: wsgi.Request, name: str) -> dict[str, int]:
    own = quotas_db.get_class(req.context, name)
    return {resource: own.get(resource, quota.default(resource))
            for resource in quotas.names(req.context)}


@wsgi.response(200, shapes.wrap('quota_class_set', shapes.NUMBERS_BY_ID))
def show(req: wsgi.Request, quota_class_name: str) -> dict[str, Any]:
    req.context.authorize(policy.GET)
    return {'quota_class_set': {'id': quota_class_name, **_limits(req, quota_class_name)}}


@wsgi.body(schema.UPDATE_CLASS, key='quota_class_set')
@wsgi.response(200, shapes.wrap('quota_class_set', shapes.NUMBERS))
def update(req: wsgi.Request, quota_class_name: str, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.UPDATE)
    if len(quota_class_name) > 255:
        raise exception.InvalidInput(reason=_('a class name has at most 255 characters'))
    limits = quotas.limits_of(body, quotas.names(req.context))
    if limits:
        quotas_db.set_class(req.context, quota_class_name, limits)
    return {'quota_class_set': _limits(req, quota_class_name)}
