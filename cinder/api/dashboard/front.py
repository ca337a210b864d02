# SPDX-License-Identifier: Apache-2.0
"""What is in front of the page: the style sheet, with Keystone the login, and errors as pages for
people. The filters after it check the token that a cookie has kept."""
import http
import io
import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

import webob

from cinder import exception
from cinder.api.dashboard import fields, html, identity, session
from cinder.conf import CONF
from cinder.i18n import _

# Key of the environment with the header that the filters after this one check.
HEADER = 'HTTP_X_AUTH_TOKEN'


def filter_factory(_global_conf: dict, **_local_conf: str) -> Callable:
    """Create the paste filter."""
    return Front


class Front:
    """Middleware in front of the filters that check tokens.

    :param log_in: exchanges the fields of the form for a token
    """

    def __init__(self, application: Callable,
                 log_in: Callable[..., str] = identity.log_in) -> None:
        self._application, self._log_in = application, log_in
        self._sessions = session.Sessions()
        self._with_login = CONF.auth_strategy == 'keystone'
        self._routes: dict[tuple[str, str], Callable[[webob.Request], webob.Response]] = {
            ('GET', '/style.css'): lambda _request: html.style(), ('GET', ''): self._show}
        if self._with_login:
            self._routes |= {('GET', '/login'): self._ask, ('POST', '/login'): self._begin,
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
                return self._to(request, '/login')
            request.environ[HEADER] = token
        # A body has no meaning here, and WebOb would want to read it again.
        request.environ |= {'wsgi.input': io.BytesIO(), 'CONTENT_LENGTH': '0'}
        response = request.get_response(self._application)
        if response.status_int == 401 and self._with_login:
            response = self._to(request, '/login')
            self._sessions.end(request, response)
        elif response.status_int >= 400:
            return self._error(request, response.status_int, _message(response))
        return response

    @staticmethod
    def _to(request: webob.Request, path: str) -> webob.Response:
        return html.protected(webob.Response(
            status=303, location=request.script_name + path or '/'))

    # ------------------------------------------------------------------------------------ login
    def _ask(self, request: webob.Request, status: int = 200, text: str = '',
             user: str = '', project: str = '') -> webob.Response:
        sealed, secret = self._sessions.new_form(request)
        response = html.page(request.environ, 'login.html', status, form=sealed, text=text,
                             refresh=None, user=user, project=project)
        self._sessions.keep_form(request, response, secret)
        return response

    def _begin(self, request: webob.Request) -> webob.Response:
        form = fields.of_form(request.environ)
        if not self._sessions.is_ours(request, form.get('form')):
            return self._ask(request, 403, _('The form is too old. Try again.'))
        try:
            token = self._log_in(form)
        except exception.NotAuthorized as exc:
            return self._ask(request, 401, str(exc), form.get('user', ''), form.get('project', ''))
        response = self._to(request, '')
        self._sessions.begin(request, response, token)
        return response

    def _end(self, request: webob.Request) -> webob.Response:
        origin = request.headers.get('Origin')
        response = self._to(request, '/login')
        if origin in (None, 'null', request.host_url):
            self._sessions.end(request, response)
        return response


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
