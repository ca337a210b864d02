# SPDX-License-Identifier: Apache-2.0
"""Renders the templates of the page, and sets the headers that protect it in a browser: it loads
nothing but its own style sheet, runs no script and cannot be framed."""
import datetime
import functools
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import webob

from cinder.api.dashboard import charts

if TYPE_CHECKING:
    import jinja2

FOLDER = pathlib.Path(__file__).with_name('templates')
HEADERS = {
    'Content-Security-Policy': "default-src 'none'; style-src 'self'; form-action 'self'; "
                               "frame-ancestors 'none'; base-uri 'none'",
    'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY',
    # For the form of the login, some browsers send "Origin: null" with a stricter policy.
    'Referrer-Policy': 'same-origin', 'Cache-Control': 'no-store'}
_STEPS = ((86400, 'd'), (3600, 'h'), (60, 'min'), (1, 's'))


@functools.cache
def _templates() -> 'jinja2.Environment':
    import jinja2  # 9 MB that the API does not need without the page
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True,
                              trim_blocks=True, lstrip_blocks=True,
                              undefined=jinja2.StrictUndefined)
    made.filters |= {'duration': duration, 'timestamp': timestamp, 'number': number, 'times': times,
                     'labelled': labelled}
    made.globals |= {'bar': charts.bar, 'pool_bar': charts.pool_bar}
    return made


def page(environ: Mapping[str, Any], template: str, status: int = 200,
         **values: Any) -> webob.Response:
    """Return the response with a rendered template."""
    now = datetime.datetime.now(datetime.UTC)
    text = _templates().get_template(template).render(
        base=environ.get('SCRIPT_NAME', ''), now=f'{now:%Y-%m-%d %H:%M:%S} UTC', **values)
    return protected(webob.Response(text, status, charset='utf-8', content_type='text/html'))


def style() -> webob.Response:
    """Return the response with the style sheet."""
    response = webob.Response(_style(), charset='utf-8', content_type='text/css')
    protected(response).headers['Cache-Control'] = 'max-age=600'
    return response


@functools.cache
def _style() -> str:
    return (FOLDER / 'style.css').read_text(encoding='utf-8')


def protected(response: webob.Response) -> webob.Response:
    """Set the headers that protect the page; return the response."""
    response.headers.update(HEADERS)
    return response


def duration(seconds: float | None) -> str:
    """Return a time as text, in one unit: '5 s', '3 h'."""
    if seconds is None:
        return 'unknown'
    for length, unit in _STEPS:
        if seconds >= length:
            return f'{seconds / length:.0f} {unit}'
    return f'{seconds * 1000:.0f} ms' if seconds > 0 else '0 s'


def timestamp(time: datetime.datetime) -> str:
    """Return a time of the database, which is UTC, as text: '2026-11-30 18:05 UTC'."""
    return f'{time:%Y-%m-%d %H:%M} UTC'


def labelled(row: str, columns: Iterable[str]) -> charts.Markup:
    """Return the cells of a row with the names of their columns, which a phone shows beside them,
    and with their roles, which a table has no more when its parts are blocks.

    :param row: escaped, so its tags are ours
    """
    names = iter(columns)
    roles = {'th': 'rowheader', 'td': 'cell'}
    return charts.Markup(re.sub(
        '<(t[hd])(?=[ >])', lambda tag: f'<{tag[1]} role="{roles[tag[1]]}" '
        f'data-label="{next(names)}"', str(row).strip()))


def times(number_of: int) -> str:
    """Return how often something has happened: 'once', '3 times'."""
    return 'once' if number_of == 1 else f'{number_of} times'


def number(value: float | None) -> str:
    """Return a number with at most one decimal, and commas between thousands."""
    if not isinstance(value, (int, float)):
        return 'unknown'
    return f'{value:,.1f}'.removesuffix('.0')
