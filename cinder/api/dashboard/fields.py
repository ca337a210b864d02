# SPDX-License-Identifier: Apache-2.0
"""Reads the fields of queries and forms. Whatever a client sends has a meaning here, if only that
of no field: WebOb raises various errors for bytes that are no text."""
import contextlib
import urllib.parse
from collections.abc import Mapping
from typing import Any

# Bytes and fields of a form; ours has fewer.
LONGEST, MOST = 65_536, 20
FORM = 'application/x-www-form-urlencoded'


def of_query(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the query."""
    return _parsed(environ.get('QUERY_STRING', ''))


def of_form(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a form; none if the body is something else."""
    if environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower() != FORM:
        return {}
    length = environ.get('CONTENT_LENGTH') or '0'
    if not length.isascii() or not length.isdigit() or int(length) > LONGEST:
        return {}
    return _parsed(environ['wsgi.input'].read(int(length)).decode('latin-1'))


def _parsed(text: str) -> dict[str, str]:
    with contextlib.suppress(ValueError):  # too many fields
        return dict(urllib.parse.parse_qsl(text, keep_blank_values=True, errors='replace',
                                           max_num_fields=MOST))
    return {}
