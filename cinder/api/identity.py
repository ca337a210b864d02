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
# Seconds to wait for the identity service before the caller is told to come back.
TIMEOUT_SECONDS = 30


def require_project(ctxt: RequestContext, project_id: str) -> None:
    """Ask with the caller's token; without an identity service every project is taken for real.

    :raises ProjectNotFound: there is no such project.
    :raises ServiceUnavailable: the identity service does not answer.
    """
    if CONF.auth_strategy != 'keystone':
        return
    # The library and its plugins take as long to import as the rest of the API.
    from keystoneauth1 import exceptions, loading
    from keystonemiddleware import auth_token  # noqa: F401 - its options of the section come first
    for opt in loading.get_session_conf_options():
        # It has some of the same names, with other words of help.
        with contextlib.suppress(cfg.DuplicateOptError):
            CONF.register_opt(opt, _SECTION)
    loading.register_auth_conf_options(CONF, _SECTION)
    auth = loading.load_auth_from_conf_options(CONF, _SECTION)
    if auth is None:
        LOG.error('Set auth_type and auth_url in [%s]: without them the identity service cannot '
                  'be asked about project %s.', _SECTION, project_id)
        raise exception.ServiceUnavailable()
    url = (f"{auth.auth_url.rstrip('/').removesuffix('/v3')}/v3"
           f'/projects/{urllib.parse.quote(project_id)}')
    session = loading.load_session_from_conf_options(CONF, _SECTION)
    try:
        answer = session.get(url, auth=service_user.auth(ctxt, url), raise_exc=False,
                             timeout=TIMEOUT_SECONDS)
    except exceptions.ClientException as exc:
        LOG.warning('The identity service cannot be asked about project %s: %s', project_id, exc)
        raise exception.ServiceUnavailable() from None
    if answer.status_code == 404:
        raise exception.ProjectNotFound(project_id=project_id)
    if answer.status_code != 200:
        # An administrator here may be nobody there; then the project is taken for real.
        LOG.warning('The identity service answers %d about project %s.', answer.status_code,
                    project_id)
