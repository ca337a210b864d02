# SPDX-License-Identifier: Apache-2.0
"""Requests of the API to the identity service: whether a project exists.

keystonemiddleware checks tokens; its section of the configuration is used here too.
"""
import contextlib
import urllib.parse

from oslo_config import cfg
from oslo_log import log as logging

from cinder import exception, service_user
from cinder.conf import CONF
from cinder.context import RequestContext

LOG = logging.getLogger(__name__)
_SECTION = 'keystone_authtoken'
# Seconds to wait for the identity service before the request is answered with 503.
TIMEOUT_SECONDS = 30


def require_project(ctxt: RequestContext, project_id: str) -> None:
    """Check that a project exists, with the token of the caller; without Keystone, accept it.

    :raises ProjectNotFound: the project does not exist.
    :raises ServiceUnavailable: the identity service does not respond.
    """
    if CONF.auth_strategy != 'keystone':
        return
    # Importing the library and its plugins takes as long as the rest of the API.
    from keystoneauth1 import exceptions, loading
    from keystonemiddleware import auth_token  # noqa: F401 - its options of the section come first
    for opt in loading.get_session_conf_options():
        # keystonemiddleware has some of the options, with another help text.
        with contextlib.suppress(cfg.DuplicateOptError):
            CONF.register_opt(opt, _SECTION)
    loading.register_auth_conf_options(CONF, _SECTION)
    auth = loading.load_auth_from_conf_options(CONF, _SECTION)
    if auth is None:
        LOG.error('Set auth_type and auth_url in [%s]: the identity service is needed to '
                  'check project %s.', _SECTION, project_id)
        raise exception.ServiceUnavailable()
    url = (f"{auth.auth_url.rstrip('/').removesuffix('/v3')}/v3"
           f'/projects/{urllib.parse.quote(project_id)}')
    session = loading.load_session_from_conf_options(CONF, _SECTION)
    try:
        answer = session.get(url, auth=service_user.auth(ctxt, url), raise_exc=False,
                             timeout=TIMEOUT_SECONDS)
    except exceptions.ClientException as exc:
        LOG.warning('The identity service could not check project %s: %s', project_id, exc)
        raise exception.ServiceUnavailable() from None
    if answer.status_code == 404:
        raise exception.ProjectNotFound(project_id=project_id)
    if answer.status_code != 200:
        # The caller may have no permission there; the project is accepted then.
        LOG.warning('The identity service answered %d for project %s.', answer.status_code,
                    project_id)
