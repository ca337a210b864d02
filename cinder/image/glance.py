# SPDX-License-Identifier: Apache-2.0
"""Client of the image service (Glance, API v2). The API uses the token of the caller, the daemons
the credentials of section [glance]. The callers interpret the properties of an image."""
import contextlib
import functools
import itertools
import urllib.parse
from collections.abc import Callable, Generator, Iterator
from typing import Any

import tenacity
import urllib3
from oslo_log import log as logging

from cinder import context, exception, service_user
from cinder.conf import CONF
from cinder.conf.image import GROUP
from cinder.i18n import _
from cinder.image import glance_answers

LOG = logging.getLogger(__name__)
# Seconds to wait for an answer, unless an option sets another value.
TIMEOUT_SECONDS = 60
# Bytes that are read or sent at a time.
CHUNK = glance_answers.CHUNK
# A chunk may take so many times the time of a request without an answer.
PATIENCE = 5
# Most images of one name that are listed.
NAMED = 10
# Seconds before a request is retried; doubled each time. The service may ask for more.
PAUSE, LONGEST_PAUSE = 0.5, 15
_UNPROTECT = [{'op': 'replace', 'path': '/protected', 'value': False}]
_PATCHING = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}
# The errors for HTTP statuses; `text` is the text of the response.
_REFUSALS: dict[int, Callable[[str, str], exception.CinderException]] = {
    400: lambda _id, text: exception.InvalidInput(reason=text),
    403: lambda _id, text: exception.NotAuthorized(
        _('The image service does not allow the request: %s') % text),
    404: lambda image_id, _text: exception.ImageNotFound(image_id=image_id),
    409: lambda _id, text: exception.ImageConflict(reason=text),
    413: lambda _id, text: exception.ImageLimitExceeded(reason=text),
}


def for_caller(ctxt: context.RequestContext) -> 'Images':
    """Return the image service with the rights of the caller of the API.

    :raises NoImageService: no image service is configured.
    :raises ImageServiceUnavailable: its URL cannot be found.
    """
    own = for_service()
    if CONF.auth_strategy != 'keystone':
        return own
    return Images(own.session, functools.partial(service_user.auth, ctxt), own.servers)


def for_service() -> 'Images':
    """Return the image service with the credentials of [glance], or without authentication if there
    are none.

    :raises NoImageService, ImageServiceUnavailable: as for_caller().
    """
    session = _session()
    if session.auth is None:
        # Imported here because the library takes as long to import as the rest of the API.
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
             'timeout': _timeout()}
    return loading.load_session_from_conf_options(
        CONF, GROUP, auth=loading.load_auth_from_conf_options(CONF, GROUP),
        **{name: value for name, value in older.items() if value})


def _timeout() -> float:
    """Return the seconds without a byte after which a request fails."""
    return CONF.glance_request_timeout or CONF[GROUP].timeout or TIMEOUT_SECONDS


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
    """The image service with one identity.

    :param session: a session of keystoneauth.
    :param auth: URL of a server -> plugin for requests to it.
    :param servers: URLs of servers, used in turn.
    """

    def __init__(self, session: Any, auth: Callable[[str], Any], servers: list[str]) -> None:
        self.session, self.servers = session, servers
        self._auth, self._next = auth, itertools.cycle(servers)

    def show(self, image_id: str) -> dict[str, Any]:
        """Return the image as the image service describes it.

        :raises ImageNotFound: no image that this identity may see has that id.
        """
        return glance_answers.image(self._ask('GET', image_id), image_id)

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return up to NAMED images of this name that the image service lists for this identity.
        Hidden images and community images of others are not listed."""
        # The service reads a value with this prefix as a list of names, unless it is quoted.
        quoted = name.replace('"', '\\"')
        asked = f'in:"{quoted}"' if name.startswith('in:') else name
        answer = glance_answers.body(self._ask('GET', '', params={'name': asked, 'limit': NAMED}))
        try:
            found = [image for image in answer['images'] if image['name'] == name and image['id']]
        except (KeyError, TypeError) as exc:
            raise exception.ImageServiceUnavailable(
                reason='its list of images cannot be read') from exc
        for image in found:
            glance_answers.require_types(image)
        return found

    def create(self, image_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """Create an image without data; an existing image of this id is returned.

        :raises InvalidInput: the service refuses the values, with its reason.
        """
        try:
            return glance_answers.image(
                self._ask('POST', '', json={**values, 'id': image_id}), image_id)
        except exception.ImageConflict:
            return self.show(image_id)  # created by a request whose answer was lost

    def delete(self, image_id: str) -> None:
        """Delete an image, protected or not; one that does not exist is a success."""
        try:
            try:
                self._ask('DELETE', image_id)
            except exception.NotAuthorized:
                self._ask('PATCH', image_id, json=_UNPROTECT, headers=_PATCHING)
                self._ask('DELETE', image_id)
        except exception.ImageNotFound:
            LOG.debug('Image %s was deleted already.', image_id)

    def download(self, image_id: str) -> Generator[bytes]:
        """Yield the data of an image in chunks; each call starts at the beginning.

        :raises ImageUnacceptable: the image has no data.
        :raises ImageServiceUnavailable: the transfer was interrupted, or a chunk took longer than
            PATIENCE times the time of a request.
        """
        answer = self._ask('GET', image_id, '/file', stream=True, log=False)
        with contextlib.closing(answer):
            if answer.status_code == 204:
                raise exception.ImageUnacceptable(image_id=image_id, reason=_('it has no data'))
            try:
                yield from iter(functools.partial(
                    glance_answers.chunk, answer.raw, PATIENCE * _timeout()), b'')
            except (OSError, urllib3.exceptions.HTTPError) as exc:
                raise exception.ImageServiceUnavailable(reason=exc) from exc

    def locations(self, image_id: str) -> list[str]:
        """Return the URLs of the data of an image; none if the service does not allow it."""
        try:
            answer = glance_answers.body(self._ask('GET', image_id, '/locations'))
            return [str(place['url']) for place in answer]
        except (exception.NotAuthorized, exception.ImageNotFound, KeyError, TypeError):
            # Only a service may list them, and services before 2024.2 have no such list.
            return []

    def add_location(self, image_id: str, url: str) -> None:
        """Register a URL as the data of an image that waits for data. The service may go on to work
        on it, which its description shows.

        :raises NotAuthorized, InvalidInput, ImageConflict, ImageLimitExceeded: it refuses that.
        """
        place = {'url': url, 'metadata': {}}
        try:
            self._ask('PATCH', image_id, headers=_PATCHING,
                      json=[{'op': 'add', 'path': '/locations/-', 'value': place}])
        except exception.NotAuthorized:
            # It does not show locations (show_multiple_locations); another request needs no right
            # to change what is shown.
            self._ask('POST', image_id, '/locations', json={'url': url})

    def upload(self, image_id: str, data: Iterator[bytes], store: str | None = None) -> None:
        """Send the data of an image, once, which makes the image active.

        :param store: id of the store that keeps the data; None: the service decides.
        :raises ImageConflict: the image does not wait for data.
        :raises InvalidInput: there is no such store.
        """
        place = {'X-Image-Meta-Store': store} if store else {}
        # A retry, for instance after a 401, would send the rest of the data, which is empty.
        self._ask('PUT', image_id, '/file', tries=1, data=data, log=False, allow_reauth=False,
                  headers={'Content-Type': 'application/octet-stream', **place})

    # -------------------------------------------------------------------------------- requests
    def _ask(self, method: str, image_id: str, what: str = '', *, tries: int | None = None,
             **kwargs: Any) -> Any:
        path = '/v2/images' + (f'/{urllib.parse.quote(image_id)}' if image_id else '') + what
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exception.ImageServiceUnavailable),
            stop=(tenacity.stop_after_attempt(tries or CONF.glance_num_retries + 1)
                  | tenacity.stop_after_delay(TIMEOUT_SECONDS)),
            wait=_pause, reraise=True,
            after=lambda state: LOG.warning('%s %s of the image service failed: %s', method, path,
                                            state.outcome.exception().kwargs['reason']))
        return retrying(self._try, method, path, image_id, kwargs)

    def _try(self, method: str, path: str, image_id: str, kwargs: dict[str, Any]) -> Any:
        from keystoneauth1 import exceptions
        server = next(self._next).rstrip('/').removesuffix('/v2')
        try:
            # Redirects are not followed: a compromised server must not choose the receiver of a
            # request.
            answer = self.session.request(server + path, method, auth=self._auth(server),
                                          redirect=False, raise_exc=False,
                                          **{'stream': method == 'GET', **kwargs})
        except exceptions.ClientException as exc:
            raise exception.ImageServiceUnavailable(reason=exc) from exc
        if answer.status_code < 300:
            return answer
        text = glance_answers.text(answer)
        if answer.status_code in _REFUSALS:
            raise _REFUSALS[answer.status_code](image_id, text)
        raise exception.ImageServiceUnavailable(
            reason=f'it answered with status {answer.status_code}: {text}',
            retry_after=answer.headers.get('Retry-After'))


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds to wait before a retry: as many as the service asks for, but at most
    LONGEST_PAUSE, or ever more."""
    asked = str(state.outcome.exception().kwargs.get('retry_after'))
    if asked.isdecimal():
        return min(int(asked), LONGEST_PAUSE)
    return tenacity.wait_exponential(PAUSE, max=LONGEST_PAUSE)(state)
