# SPDX-License-Identifier: Apache-2.0
"""What is in front of the page: the style sheet, with Keystone the login, and errors as pages for
people. The filters after it check the token that a cookie has kept."""
import http
import io
import ipaddress
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import webob
from oslo_log import log as logging

from cinder import exception
from cinder.api.dashboard import fields, html, identity, session
from cinder.api.middleware import proxy, ratelimit
from cinder.conf import CONF
from cinder.i18n import _

LOG = logging.getLogger(__name__)

# Key of the environment with the header that the filters after this one check.
HEADER = 'HTTP_X_AUTH_TOKEN'
# Failed logins of an address: at once, and in each second after them.
TRIES, TRIES_RATE = 10, 1 / 6


def filter_factory(_global_conf: dict, **_local_conf: str) -> Callable:
    """Create the paste filter."""
    return Front


class Front:
    """Middleware in front of the filters that check tokens.

    :param log_in: exchanges the fields of the form for a token
    :param log_out: revokes such a token
    """

    def __init__(self, application: Callable, log_in: Callable[..., str] = identity.log_in,
                 log_out: Callable[[str], None] = identity.log_out) -> None:
        self._application, self._log_in, self._log_out = application, log_in, log_out
        self._sessions = session.Sessions()
        self._tries = ratelimit.Buckets(TRIES_RATE, TRIES)
        self._with_login = CONF.auth_strategy == 'keystone'
        self._routes: dict[tuple[str, str], Callable[[webob.Request], webob.Response]] = {
            ('GET', '/style.css'): lambda _request: html.style(), ('GET', ''): self._show}
        if self._with_login:
            self._routes |= {('GET', '/login'): self._show_form, ('POST', '/login'): self._begin,
                             ('POST', '/logout'): self._end}

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        response = self._answer(webob.Request(environ))
        if response.status_int == 303:
            # WebOb would add the host and scheme, which a proxy may have changed: the browser knows
            # under which name it came here.
            start_response(response.status, response.headerlist)
            return []
        return response(environ, start_response)

    def _answer(self, request: webob.Request) -> webob.Response:
        method = 'GET' if request.method == 'HEAD' else request.method
        handler = self._routes.get((method, request.environ['PATH_INFO'].rstrip('/')))
        if handler is None:
            return self._error(request, 404, _('There is no such page.'))
        if not self._with_login and not _names_this_host(request):
            # Another site whose name leads here could read the page through a browser.
            return self._error(request, 403, _('Use the address localhost or 127.0.0.1.'))
        try:
            return handler(request)
        except exception.CinderException as exc:
            text = str(exc) if exc.safe else http.HTTPStatus(exc.code).description
            return self._error(request, exc.code, text)

    def _error(self, request: webob.Request, status: int, text: str) -> webob.Response:
        return html.page(request.environ, 'error.html', status, text=text, refresh=None,
                         phrase=http.HTTPStatus(status).phrase)

    # ------------------------------------------------------------------------------------- page
    def _show(self, request: webob.Request) -> webob.Response:
        if self._with_login and HEADER not in request.environ:
            token = self._sessions.token(request)
            if token is None:
                return self._to_login(request)
            request.environ[HEADER] = token
        response = self._ask_for_page(request.environ)
        if response.status_int == 401 and self._with_login:
            return self._to_login(request)
        if response.status_int >= 400:
            return self._error(request, response.status_int, _message(response))
        return response

    def _ask_for_page(self, environ: Mapping[str, Any]) -> webob.Response:
        # A body has no meaning here, and WebOb would want to read it again.
        request = webob.Request({**environ, 'wsgi.input': io.BytesIO(), 'CONTENT_LENGTH': '0'})
        return request.get_response(self._application)

    def _to_login(self, request: webob.Request) -> webob.Response:
        """Lead to the form, which says so if there was a login."""
        if session.COOKIE not in request.cookies:
            return self._to(request, '/login')
        response = self._to(request, '/login?ended=1')
        self._sessions.end(request, response)
        return response

    @staticmethod
    def _to(request: webob.Request, path: str) -> webob.Response:
        return html.protected(webob.Response(
            status=303, location=request.script_name + path or '/'))

    # ------------------------------------------------------------------------------------ login
    def _show_form(self, request: webob.Request) -> webob.Response:
        ended = 'ended' in fields.of_query(request.environ)
        return self._ask(request, text=_('The login has ended. Log in again.') if ended else '')

    def _ask(self, request: webob.Request, status: int = 200, text: str = '',
             form: Mapping[str, str] | None = None) -> webob.Response:
        """Return the form, with what was sent in it but for secrets."""
        sealed, secret = self._sessions.new_form(request)
        sent = {name: (form or {}).get(name, '') for name in identity.NAMES}
        response = html.page(request.environ, 'login.html', status, form=sealed, text=text,
                             refresh=None, sent=sent)
        self._sessions.keep_form(request, response, secret)
        return response

    def _begin(self, request: webob.Request) -> webob.Response:
        form = fields.of_form(request.environ)
        if not self._sessions.is_ours(request, form.get('form')):
            return self._ask(request, 403, _('The form is too old. Try again.'))
        caller = ratelimit.network_of(_address(request))
        seconds = math.ceil(self._tries.take(caller))
        if seconds:
            response = self._ask(request, 429, _(
                'Too many logins have failed. Try again in %d seconds.') % seconds, form)
            response.headers['Retry-After'] = str(seconds)
            return response
        try:
            token, ours = self._checked(request, form)
        except exception.NotAuthorized as exc:
            LOG.warning('A login to the page from %s failed: %s', caller, exc)
            return self._ask(request, 401, str(exc), form)
        self._tries.give_back(caller)
        response = self._to(request, '')
        self._sessions.begin(request, response, token, ours)
        return response

    def _checked(self, request: webob.Request, form: Mapping[str, str]) -> tuple[str, bool]:
        """Return a token, and whether it was made for this login.

        :raises NotAuthorized: what was sent opens nothing
        """
        token = self._log_in(form)
        ours = not form.get('token', '').strip()
        if not ours and self._ask_for_page({**request.environ, 'REQUEST_METHOD': 'GET',
                                            HEADER: token}).status_int == 401:
            raise exception.NotAuthorized(_('The token is wrong, or it has expired.'))
        return token, ours

    def _end(self, request: webob.Request) -> webob.Response:
        origin = request.headers.get('Origin')
        response = self._to(request, '/login')
        if origin in (None, 'null', request.host_url):
            token = self._sessions.token(request, only_ours=True)
            if token:
                self._log_out(token)
            self._sessions.end(request, response)
        return response


def _address(request: webob.Request) -> str:
    found: str = request.environ.get(proxy.NEAREST) or request.environ.get('REMOTE_ADDR', '')
    return found


def _message(response: webob.Response) -> str:
    """Return the text of a fault of the API."""
    try:
        fault, = response.json.values()
        return str(fault['message'])
    except (ValueError, KeyError, TypeError, AttributeError):
        return http.HTTPStatus(response.status_int).phrase


def _names_this_host(request: webob.Request) -> bool:
    """Return whether the browser knows this service under a loopback name, or any is allowed."""
    host = request.domain.strip('[]')
    if CONF.noauth_allow_remote or host == 'localhost' or host.endswith('.localhost'):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
