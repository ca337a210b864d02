# SPDX-License-Identifier: Apache-2.0
"""The page of doc/ that lists every operation of the API, from the tables that the service runs by.

doc/source/conf.py writes it at each build, so it cannot be out of date.
"""

import itertools

from cinder.api import microversions as mv
from cinder.api import openapi

HEAD = """\
API
===

All operations below ``/v3`` or ``/v3/{{project_id}}``, microversions {first} to {last}.
``/v3/openapi.json`` of a running service has them with all bodies and parameters;
``tools/openapi`` prints the same.

In addition to the codes in the tables, any request may be answered with {always}, and a request
with a body with {body}.
"""
SHARED = openapi.ALWAYS | openapi.WITH_BODY


def page(routes: openapi.Routes) -> str:
    """Return the page as reStructuredText."""
    parts = [HEAD.format(first=mv.text(mv.MIN), last=mv.text(mv.MAX),
                         always=_words(openapi.ALWAYS), body=_words(openapi.WITH_BODY))]
    found = sorted(openapi.list_operations(routes), key=_tag)
    for tag, members in itertools.groupby(found, key=_tag):
        parts += [f'{tag}\n{"-" * len(tag)}\n', _table(list(members))]
    parts += ['Microversions\n-------------\n', rows([('Version', 'Change')] + [
        (mv.text(number), text) for number, text in mv.HISTORY.items()], '10 90')]
    return '\n'.join(parts)


def _tag(each: openapi.Operation) -> str:
    return each.path.split('/')[1]


def _table(members: list[openapi.Operation]) -> str:
    found = [('Operation', 'Versions', 'Policy', 'Codes')]
    for each in members:
        action = f' **{each.action}**' if each.action else ''
        request = f'``{each.method} {each.path}``{action} {each.summary}'.strip()
        own = [code for code in each.codes if code not in SHARED]
        found.append((request, _window(each), ', '.join(f'``{rule}``' for rule in each.rules),
                     ', '.join(map(str, [each.spec.status, *own]))))
    return rows(found, '45 10 33 12')


def _window(each: openapi.Operation) -> str:
    since, until = each.spec.since, each.spec.until
    if until is not None and until < mv.MAX:
        return f'{mv.text(since)} to {mv.text(until)}'
    return mv.text(since)


def rows(cells: list[tuple[str, ...]], widths: str) -> str:
    """Return a table whose first row is its head; `widths` are the columns' shares."""
    lines = ['.. list-table::', '   :header-rows: 1', f'   :widths: {widths}', '']
    for row in cells:
        lines += [f'   {"  -" if index else "* -"} {cell}'.rstrip()
                  for index, cell in enumerate(row)]
    return '\n'.join(lines) + '\n'


def _words(codes: frozenset[int]) -> str:
    *first, last = map(str, sorted(codes))
    return f'{", ".join(first)} or {last}'
