# SPDX-License-Identifier: Apache-2.0
"""Exchanges the fields of the login form for a token of Keystone, and revokes it at the end."""
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from cinder import exception
from cinder.api.middleware import tokens
from cinder.conf import CONF
from cinder.i18n import _

if TYPE_CHECKING:
    from keystoneauth1 import session

LOG = logging.getLogger(__name__)

# Longest value of a field, in characters. Browsers keep 4096 bytes of a cookie, encrypted.
LONGEST = 2800
# Fields of the form that are no secrets.
NAMES = ('user', 'project', 'user_domain', 'project_domain')


def log_in(fields: Mapping[str, str]) -> str:
    """Return a token.

    :param fields: `token`; or `user` and `password`, with `project`, and the names of both domains
    :raises NotAuthorized: Keystone refuses, or fields are missing
    :raises ServiceUnavailable: Keystone does not answer
    """
    if any(len(value) > LONGEST for value in fields.values()):
        raise exception.NotAuthorized(_('A field has more than %d characters.') % LONGEST)
    token = fields.get('token', '').strip()
    if token:
        # The filter that checks tokens refuses a wrong one.
        return token
    if not (fields.get('user') and fields.get('password') and fields.get('project')):
        raise exception.NotAuthorized(_('User, password and project are needed, or a token.'))
    return _ask_keystone(fields)


def log_out(token: str) -> None:
    """Revoke a token; if Keystone does not do that, the token ends with its time."""
    from keystoneauth1 import exceptions
    try:
        _session().delete(f'{_url().rstrip("/").removesuffix("/v3")}/v3/auth/tokens', headers={
            'X-Auth-Token': token, 'X-Subject-Token': token})
    except exceptions.ClientException as exc:
        LOG.warning('The token of a login to the page was not revoked: %s', exc)


def _ask_keystone(fields: Mapping[str, str]) -> str:
    from keystoneauth1 import exceptions
    from keystoneauth1.identity import generic
    plugin = generic.Password(
        auth_url=_url(), username=fields['user'],
        password=fields['password'], project_name=fields['project'],
        user_domain_name=fields.get('user_domain') or 'Default',
        project_domain_name=fields.get('project_domain') or 'Default')
    try:
        found: str = plugin.get_token(_session())
        return found
    except (exceptions.Unauthorized, exceptions.NotFound, exceptions.BadRequest) as exc:
        raise exception.NotAuthorized(_('User, password or project is wrong.')) from exc
    except exceptions.ClientException as exc:
        raise exception.ServiceUnavailable() from exc


def _url() -> str:
    section: Any = CONF[tokens.GROUP]
    found: str = section.www_authenticate_uri or section.auth_url
    return found


def _session() -> 'session.Session':
    from keystoneauth1 import session
    section: Any = CONF[tokens.GROUP]
    return session.Session(verify=False if section.insecure else section.cafile or True,
                           timeout=section.http_connect_timeout or 10)
