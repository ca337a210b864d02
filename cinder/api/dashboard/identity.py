# SPDX-License-Identifier: Apache-2.0
"""Exchanges the fields of the login form for a token of Keystone."""
from collections.abc import Mapping
from typing import Any

from cinder import exception
from cinder.api.middleware import tokens
from cinder.conf import CONF
from cinder.i18n import _

# Longest value of a field, in characters.
LONGEST = 4096


def log_in(fields: Mapping[str, str]) -> str:
    """Return a token.

    :param fields: `token`; or `user` and `password`, with `project`, and the names of both domains
    :raises NotAuthorized: Keystone refuses, or fields are missing
    :raises ServiceUnavailable: Keystone does not answer
    """
    if any(len(value) > LONGEST for value in fields.values()):
        raise exception.NotAuthorized(_('A field is too long.'))
    token = fields.get('token', '').strip()
    if token:
        # The filter that checks tokens refuses a wrong one.
        return token
    if not (fields.get('user') and fields.get('password') and fields.get('project')):
        raise exception.NotAuthorized(_('User, password and project are needed, or a token.'))
    return _ask_keystone(fields)


def _ask_keystone(fields: Mapping[str, str]) -> str:
    from keystoneauth1 import exceptions, session
    from keystoneauth1.identity import generic
    section: Any = CONF[tokens.GROUP]
    plugin = generic.Password(
        auth_url=section.www_authenticate_uri or section.auth_url, username=fields['user'],
        password=fields['password'], project_name=fields['project'],
        user_domain_name=fields.get('user_domain') or 'Default',
        project_domain_name=fields.get('project_domain') or 'Default')
    asking = session.Session(
        verify=False if section.insecure else section.cafile or True,
        timeout=section.http_connect_timeout or 10)
    try:
        found: str = plugin.get_token(asking)
        return found
    except (exceptions.Unauthorized, exceptions.NotFound, exceptions.BadRequest) as exc:
        raise exception.NotAuthorized(_('User, password or project is wrong.')) from exc
    except exceptions.ClientException as exc:
        raise exception.ServiceUnavailable() from exc
