# SPDX-License-Identifier: Apache-2.0
"""Texts for logs and messages, without the passwords and secrets in them, and with nothing that can
begin a line of the log."""
import re

from oslo_utils import strutils

_PASSWORD_IN_URL = re.compile(r'(?<=//)([^/\s:@]*):[^/\s]+@')


def masked(text: object) -> str:
    """Return a text for logs and messages, without the passwords in it and in its URLs."""
    return str(strutils.mask_password(_PASSWORD_IN_URL.sub(r'\1:***@', str(text))))


def without_user(url: str) -> str:
    """Return a URL for logs and messages, without user, password and query, even if it is
    malformed."""
    before, _, after = url.rpartition('@')
    scheme = before.partition('://')[0] + '://' if '://' in before else ''
    return (f'{scheme}***@' if before else '') + after.partition('?')[0]


_SECRET_IN_QUERY = re.compile(r'([?&][^=&\s]*(?:token|passw|secret|auth_key)[^=&\s]*=)[^&\s]*',
                              re.IGNORECASE)


def printable(text: str) -> str:
    """Return a text from a client for the log, with control characters escaped, so that it cannot
    start a new log line."""
    if text.isprintable():
        return text
    return ''.join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def loggable_url(text: str) -> str:
    """Return the path and query of a request for the log, without the secrets in the query."""
    return printable(_SECRET_IN_QUERY.sub(r'\1***', text))
