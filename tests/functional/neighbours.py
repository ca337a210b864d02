# SPDX-License-Identifier: Apache-2.0
"""Requests to the services beside ours, such as Keystone and Glance."""
import http.client
import json
import urllib.error
import urllib.request


def exchange(request: urllib.request.Request, seconds: float = 60,
             ) -> tuple[object, http.client.HTTPMessage]:
    """Send a request; return the JSON of the answer or its bytes, and its headers.

    :raises AssertionError: with what was asked, and the answer, of a status that is an error
    """
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            raw = answer.read()
            is_json = raw and 'json' in answer.headers.get('Content-Type', '')
            return json.loads(raw) if is_json else raw, answer.headers
    except urllib.error.HTTPError as exc:
        raise AssertionError(f'{request.get_method()} {request.full_url}: {exc.code} '
                             f'{exc.read().decode()}') from exc
