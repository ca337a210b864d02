# SPDX-License-Identifier: Apache-2.0
"""The login of a browser: its token in an encrypted and signed cookie, and the proof that a form
was sent from our page."""
import secrets
from collections.abc import Callable
from typing import Any

import webob
from cryptography import fernet

from cinder import exception
from cinder.conf import CONF

COOKIE, FORM_COOKIE = 'cinder_session', 'cinder_form'
# Where the token of a login is from: a password, or the form itself.
OURS, GIVEN = 'ours', 'given'
# Seconds in which a form must be sent.
FORM_SECONDS = 900


class Sessions:
    """Writes and reads the cookies.

    :raises InvalidConfigurationValue: the key has a wrong form.
    """

    def __init__(self, now: Callable[[], int] | None = None) -> None:
        key = CONF.dashboard.session_key
        try:
            # Made before the workers are forked, so they all have it.
            self._fernet = fernet.Fernet(key or fernet.Fernet.generate_key())
        except ValueError:
            raise exception.InvalidConfigurationValue(
                '[dashboard] session_key must be 32 bytes in URL-safe base64 (44 '
                'characters).') from None
        self._now = now

    def token(self, request: webob.Request, only_ours: bool = False) -> str | None:
        """Return the token of the login; None without a valid one.

        :param only_ours: only one that was made for this login
        """
        kept = self._open(request.cookies.get(COOKIE), CONF.dashboard.session_seconds) or ''
        origin, _space, token = kept.partition(' ')
        return token if token and (origin == OURS or not only_ours) else None

    def begin(self, request: webob.Request, response: webob.Response, token: str,
              ours: bool = False) -> None:
        """Keep a token in a cookie of the response.

        :param ours: it was made for this login, and shall end with it
        """
        sealed = self._seal(f'{OURS if ours else GIVEN} {token}')
        self._set(request, response, COOKIE, sealed, CONF.dashboard.session_seconds)

    def end(self, request: webob.Request, response: webob.Response) -> None:
        """Remove the cookie of the login."""
        response.delete_cookie(COOKIE, path=_path(request))

    # ----------------------------------------------------------------------------------- forms
    def new_form(self, request: webob.Request) -> tuple[str, str]:
        """Return the value of a hidden field, and that of the cookie that belongs to it."""
        secret = secrets.token_urlsafe(24)
        return self._seal(secret), secret

    def keep_form(self, request: webob.Request, response: webob.Response, secret: str) -> None:
        """Set the cookie that belongs to the form of the response."""
        self._set(request, response, FORM_COOKIE, secret, FORM_SECONDS)

    def is_ours(self, request: webob.Request, sealed: str | None) -> bool:
        """Return whether a form was sent from our page, by the browser that got it.

        :param sealed: the hidden field
        """
        origin = request.headers.get('Origin')
        if origin not in (None, 'null', request.host_url):
            return False
        secret = self._open(sealed, FORM_SECONDS)
        sent = request.cookies.get(FORM_COOKIE, '')
        return secret is not None and secrets.compare_digest(secret.encode(), sent.encode())

    # ------------------------------------------------------------------------------------ inside
    def _seal(self, text: str) -> str:
        data = text.encode()
        sealed = (self._fernet.encrypt(data) if self._now is None
                  else self._fernet.encrypt_at_time(data, self._now()))
        return sealed.decode()

    def _open(self, sealed: str | None, seconds: int) -> str | None:
        arguments: dict[str, Any] = {'ttl': seconds}
        if self._now is not None:
            arguments['current_time'] = self._now()
        opened = self._fernet.decrypt if self._now is None else self._fernet.decrypt_at_time
        try:
            return opened((sealed or '').encode(), **arguments).decode()
        except (fernet.InvalidToken, ValueError):
            return None

    @staticmethod
    def _set(request: webob.Request, response: webob.Response, name: str, value: str,
             seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, path=_path(request), httponly=True,
                            samesite='Strict', secure=request.scheme == 'https')


def _path(request: webob.Request) -> str:
    return request.script_name or '/'
