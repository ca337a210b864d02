# SPDX-License-Identifier: Apache-2.0
"""Authentication of requests to other services on behalf of a caller: the token of the caller and,
with [service_user], a token of this service."""
import functools
from typing import Any

from cinder import context, exception
from cinder.conf import CONF
from cinder.conf.service_user import GROUP


def auth(ctxt: context.RequestContext, endpoint: str) -> Any:
    """Return the keystoneauth plugin for requests to `endpoint`.

    A token of this service is fetched with the first request, cached, and renewed when it expires.

    :raises InvalidConfigurationValue: [service_user] has no usable credentials.
    """
    # Imported here because the library takes as long to import as the rest of the API.
    from keystoneauth1 import token_endpoint
    return with_service_token(token_endpoint.Token(endpoint, ctxt.auth_token))


def with_service_token(caller: Any) -> Any:
    """Return the plugin, with a token of this service added if send_service_user_token is set.

    :raises InvalidConfigurationValue: as auth().
    """
    if not CONF[GROUP].send_service_user_token:
        return caller
    from keystoneauth1 import service_token
    return service_token.ServiceTokenAuthWrapper(user_auth=caller, service_auth=plugin())


@functools.cache
def plugin() -> Any:
    """Return the keystoneauth plugin of the user of this service.

    :raises InvalidConfigurationValue: [service_user] has no usable credentials.
    """
    from keystoneauth1 import exceptions, loading
    loading.register_auth_conf_options(CONF, GROUP)
    try:
        made = loading.load_auth_from_conf_options(CONF, GROUP)
    except exceptions.ClientException as exc:
        raise exception.InvalidConfigurationValue(
            f'[{GROUP}] cannot be used: {exc}') from exc
    if made is None:
        raise exception.InvalidConfigurationValue(
            f'[{GROUP}] must say who this service is: set auth_type (such as password), auth_url '
            'and the credentials.')
    return made
