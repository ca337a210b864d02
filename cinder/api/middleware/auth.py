# SPDX-License-Identifier: Apache-2.0
"""Authentication: the pipeline of the configured auth_strategy, and the request context.

keystonemiddleware checks tokens; this module reads the headers that it sets. noauth does not check
the token, so cinder-api listens on loopback only.
"""
import abc
import re
from collections.abc import Callable, Iterable
from typing import Any

from oslo_middleware import request_id as request_id_filter

from cinder import context, exception
from cinder.api import parsing, wsgi
from cinder.conf import CONF
from cinder.i18n import _

# Each role implies those after it, as in Keystone.
ALL_ROLES = ('admin', 'member', 'reader')
# Path below /v3 of the document that openapi_public makes public.
DESCRIPTION = ('/openapi.json', '/openapi')
# Project of a noauth request that names none.
NOBODYS_PROJECT = 'admin'
_GLOBAL_ID = re.compile(request_id_filter.ID_FORMAT)


def pipeline_factory(loader: Any, _global_conf: dict, **local_conf: str) -> Callable:
    """Paste composite that selects the pipeline named like auth_strategy; with openapi_public, the
    pipeline `public` serves the description of the API."""
    protected = make_pipeline(loader, local_conf[CONF.auth_strategy])
    if not (CONF.openapi_public and 'public' in local_conf):
        return protected
    public = make_pipeline(loader, local_conf['public'])

    def choose(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        described = environ.get('PATH_INFO') in DESCRIPTION
        return (public if described else protected)(environ, start_response)
    return choose


def make_pipeline(loader: Any, names: str) -> Callable:
    """Return an application with filters in front, all by their names in the paste file."""
    *filters, app = names.split()
    application = loader.get_app(app)
    for name in reversed(filters):
        application = loader.get_filter(name)(application)
    return application


class ContextMiddleware(abc.ABC):
    """Base class: store a RequestContext in the environment, or answer 401."""

    def __init__(self, application: Callable) -> None:
        self.application = application

    @classmethod
    def factory(cls, _global_conf: dict, **_local_conf: str) -> Callable:
        return cls

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        inbound = environ.get('HTTP_X_OPENSTACK_REQUEST_ID')
        if inbound and _GLOBAL_ID.match(inbound):
            environ['openstack.global_request_id'] = inbound
        ctxt = self.context(environ)
        if ctxt is None:
            body = {'unauthorized': {'code': 401, 'message': _('The request needs a token.')}}
            return wsgi.respond(environ, body, 401)(environ, start_response)
        environ['cinder.context'] = ctxt
        return self.application(environ, start_response)

    @abc.abstractmethod
    def context(self, environ: dict[str, Any]) -> context.RequestContext | None:
        """Return the context of the caller; None without an identity."""


class KeystoneContext(ContextMiddleware):
    """Builds the context from the headers that keystonemiddleware sets for a valid token."""

    def context(self, environ: dict[str, Any]) -> context.RequestContext | None:
        if not environ.get('HTTP_X_USER_ID'):
            return None
        return context.RequestContext.from_environ(
            environ, is_admin=None, quota_class=environ.get('HTTP_X_QUOTA_CLASS'))


class NoAuthMiddleware(ContextMiddleware):
    """Builds the context from the token `user:project`, without any check. Without a project in the
    token, or without a token, the project is that of the URL.

    The header X-Roles sets the roles; the default is those of an administrator and of a service.
    """

    def __init__(self, application: Callable) -> None:
        super().__init__(application)
        self.project = re.compile('/+(' + CONF.project_id_regex + ')(/|$)')

    def context(self, environ: dict[str, Any]) -> context.RequestContext:
        token = parsing.decode_latin(environ.get('HTTP_X_AUTH_TOKEN', ''))
        user, _colon, project = token.partition(':')
        if not project:
            match = self.project.match(environ.get('PATH_INFO', ''))
            project = match[1] if match else NOBODYS_PROJECT
        user = user or 'admin'
        if len(user) > 255 or len(project) > 255:
            raise exception.Invalid(_('The token does not have the form user:project.'))
        sent = environ.get('HTTP_X_ROLES')
        service = environ.get('HTTP_X_SERVICE_ROLES', 'service' if sent is None else '')
        return context.RequestContext(
            user_id=user, project_id=project, roles=_roles('admin' if sent is None else sent),
            is_admin=True if sent is None else None, service_roles=_named(service),
            request_id=environ['openstack.request_id'],
            global_request_id=environ.get('openstack.global_request_id'))


def _named(sent: str) -> list[str]:
    return [role.strip() for role in sent.split(',')]


def _roles(sent: str) -> list[str]:
    named = _named(sent)
    highest = min((ALL_ROLES.index(role) for role in named if role in ALL_ROLES),
                  default=len(ALL_ROLES))
    return [*named, *(role for role in ALL_ROLES[highest:] if role not in named)]


# Names in paste files of the original.
CinderKeystoneContext = KeystoneContext
NoAuthMiddlewareIncludeProjectID = NoAuthMiddleware
