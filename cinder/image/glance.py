# SPDX-License-Identifier: Apache-2.0
"""Requests to the image service (Glance, API v2). The API asks with the caller's token, the daemons
with credentials of their own, of section [glance]; what an image means is for the callers to say.
"""
import functools
import html
import itertools
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import tenacity
from oslo_log import log as logging

from cinder import context, exception, service_user
from cinder.conf import CONF
from cinder.conf.image import GROUP
from cinder.i18n import _

LOG = logging.getLogger(__name__)
# Seconds without a sign of the service, unless an option says otherwise.
TIMEOUT_SECONDS = 60
# Bytes that are read or sent at a time.
CHUNK = 1024 ** 2
# Images of one name that are looked at.
NAMED = 10
# Seconds before a request is tried again; doubled each time.
PAUSE = 0.5
_MARKUP = re.compile(r'<title>.*?</title>|<[^>]*>', re.DOTALL)
_UNPROTECT = [{'op': 'replace', 'path': '/protected', 'value': False}]
_PATCHING = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}
# What other answers mean; `told` is what the service says.
_REFUSALS: dict[int, Callable[[str, str], exception.CinderException]] = {
    400: lambda _id, told: exception.InvalidInput(reason=told),
    403: lambda _id, told: exception.NotAuthorized(
        _('The image service does not allow that: %s') % told),
    404: lambda image_id, _told: exception.ImageNotFound(image_id=image_id),
    409: lambda _id, told: exception.ImageConflict(reason=told),
    413: lambda _id, told: exception.ImageLimitExceeded(reason=told),
}


def for_caller(ctxt: context.RequestContext) -> 'Images':
    """The image service as the caller of the API may use it.

    :raises NoImageService: none is configured.
    :raises ImageServiceUnavailable: nobody can tell where it is.
    """
    own = for_service()
    if CONF.auth_strategy != 'keystone':
        return own
    return Images(own.session, functools.partial(service_user.auth, ctxt), own.servers)


def for_service() -> 'Images':
    """The same with the credentials of [glance]; without any, it is not told who asks.

    :raises NoImageService, ImageServiceUnavailable: as for_caller().
    """
    session = _session()
    if session.auth is None:
        # The library takes as long to import as the rest of the API.
        from keystoneauth1 import noauth
        return Images(session, noauth.NoAuth, _servers(session))
    return Images(session, lambda _server: session.auth, _servers(session))


@functools.cache
def _session() -> Any:
    from keystoneauth1 import loading
    loading.register_session_conf_options(CONF, GROUP)
    loading.register_auth_conf_options(CONF, GROUP)
    older = {'cacert': CONF.glance_ca_certificates_file, 'cert': CONF.glance_certfile,
             'key': CONF.glance_keyfile, 'insecure': CONF.glance_api_insecure,
             'timeout': CONF.glance_request_timeout or CONF[GROUP].timeout or TIMEOUT_SECONDS}
    return loading.load_session_from_conf_options(
        CONF, GROUP, auth=loading.load_auth_from_conf_options(CONF, GROUP),
        **{name: value for name, value in older.items() if value})


def _servers(session: Any) -> list[str]:
    if CONF.glance_api_servers:
        return list(CONF.glance_api_servers)
    if session.auth is None:
        raise exception.NoImageService()
    from keystoneauth1 import exceptions
    kind, _name, interface = CONF.glance_catalog_info.split(':')
    try:
        found = session.get_endpoint(service_type=kind, region_name=CONF[GROUP].region_name,
                                     interface=interface.removesuffix('URL'))
    except exceptions.ClientException as exc:
        raise exception.ImageServiceUnavailable(reason=exc) from exc
    if not found:
        raise exception.NoImageService()
    return [found]


class Images:
    """The image service as one identity sees it.

    :param session: of keystoneauth.
    :param auth: URL of a server -> plugin for requests to it.
    :param servers: URLs, of which one that works is used.
    """

    def __init__(self, session: Any, auth: Callable[[str], Any], servers: list[str]) -> None:
        self.session, self.servers = session, servers
        self._auth, self._next = auth, itertools.cycle(servers)

    def show(self, image_id: str) -> dict[str, Any]:
        """What is known of an image.

        :raises ImageNotFound: there is none that this identity may see.
        """
        return self._json(self._ask('GET', image_id))

    def named(self, name: str) -> list[dict[str, Any]]:
        """Some of the images of this name, as lists of the service show them to this identity: none
        that is hidden, or a community image of others."""
        # What begins with this word is a list of names to the service, unless it is quoted.
        quoted = name.replace('"', '\\"')
        asked = f'in:"{quoted}"' if name.startswith('in:') else name
        answer = self._ask('GET', '', params={'name': asked, 'limit': NAMED})
        try:
            return [image for image in answer.json()['images'] if image['name'] == name]
        except (ValueError, KeyError, TypeError) as exc:
            raise exception.ImageServiceUnavailable(reason=_('it lists no images')) from exc

    def create(self, image_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """Make an image without data; one of this id that is there already is taken.

        :raises InvalidInput: the service does not take the values, with its reason.
        """
        try:
            return self._json(self._ask('POST', '', json={**values, 'id': image_id}))
        except exception.ImageConflict:
            return self.show(image_id)  # of a request whose answer was lost

    def delete(self, image_id: str) -> None:
        """Remove an image, protected or not; gone already is success."""
        try:
            try:
                self._ask('DELETE', image_id)
            except exception.NotAuthorized:
                self._ask('PATCH', image_id, json=_UNPROTECT, headers=_PATCHING)
                self._ask('DELETE', image_id)
        except exception.ImageNotFound:
            LOG.debug('Image %s is gone already.', image_id)

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data of an image, in pieces; from its start at each call.

        :raises ImageServiceUnavailable: it stops sending.
        """
        answer = self._ask('GET', image_id, '/file', stream=True, log=False)
        if answer.status_code == 204:
            raise exception.ImageUnacceptable(image_id=image_id, reason=_('it has no data'))
        try:
            yield from answer.iter_content(CHUNK)
        except OSError as exc:  # as all of the library's are
            raise exception.ImageServiceUnavailable(reason=exc) from exc
        finally:
            answer.close()

    def upload(self, image_id: str, data: Iterator[bytes]) -> None:
        """Give an image its data, which makes it active. It is tried once.

        :raises ImageConflict: it is not waiting for data.
        """
        # A second try, as after an answer 401, would send what is left of the data: nothing.
        self._ask('PUT', image_id, '/file', tries=1, data=data, log=False, allow_reauth=False,
                  headers={'Content-Type': 'application/octet-stream'})

    # -------------------------------------------------------------------------------- requests
    def _ask(self, method: str, image_id: str, what: str = '', *, tries: int | None = None,
             **kwargs: Any) -> Any:
        path = '/v2/images' + (f'/{urllib.parse.quote(image_id)}' if image_id else '') + what
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exception.ImageServiceUnavailable),
            stop=(tenacity.stop_after_attempt(tries or CONF.glance_num_retries + 1)
                  | tenacity.stop_after_delay(TIMEOUT_SECONDS)),
            wait=tenacity.wait_exponential(PAUSE), reraise=True,
            after=lambda state: LOG.warning('%s %s of the image service failed: %s', method, path,
                                            state.outcome.exception().kwargs['reason']))
        return retrying(self._try, method, path, image_id, kwargs)

    def _try(self, method: str, path: str, image_id: str, kwargs: dict[str, Any]) -> Any:
        from keystoneauth1 import exceptions
        server = next(self._next).rstrip('/').removesuffix('/v2')
        try:
            # No redirect is followed: a server that was broken into must not choose who is asked.
            answer = self.session.request(server + path, method, auth=self._auth(server),
                                          redirect=False, raise_exc=False, **kwargs)
        except exceptions.ClientException as exc:
            raise exception.ImageServiceUnavailable(reason=exc) from exc
        if answer.status_code < 300:
            return answer
        told = _text(answer)
        if answer.status_code in _REFUSALS:
            raise _REFUSALS[answer.status_code](image_id, told)
        raise exception.ImageServiceUnavailable(reason=f'it answers {answer.status_code}: {told}')

    @staticmethod
    def _json(answer: Any) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError as exc:
            raise exception.ImageServiceUnavailable(reason=exc) from exc
        if not isinstance(found, dict) or 'id' not in found:
            raise exception.ImageServiceUnavailable(reason='it describes no image')
        return found


def _text(answer: Any) -> str:
    """What a refusal says, without the markup that it may come in."""
    return ' '.join(html.unescape(_MARKUP.sub(' ', answer.text[:4000])).split())[:200]
