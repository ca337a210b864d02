# SPDX-License-Identifier: Apache-2.0
"""What holds for every row of the table of routes."""
import inspect
import re

import pytest

from cinder.api import microversions as mv
from cinder.api import wsgi
from cinder.api.v3 import router

HANDLERS = [
    (f'{method} {path}', method, path, handler)
    for path, methods in router.ROUTES.items() for method, target in methods.items()
    for handler in (target.table.values() if isinstance(target, wsgi.Actions) else [target])]
# Answers that are no secret: any caller with a token may have them.
OPEN = {'GET /os-availability-zone', 'GET /extensions', 'GET /extensions/{alias}',
        'GET /resource_filters', 'GET /group_types', 'GET /group_types/{group_type_id}',
        'GET /openapi'}


@pytest.mark.parametrize(('name', 'method', 'path', 'handler'), HANDLERS,
                         ids=[f'{row[0]} {row[3].__name__}' for row in HANDLERS])
def test_handler(name, method, path, handler):
    spec = wsgi.get_spec(handler)
    wanted = {'req', *re.findall(r'{(\w+)}', path)} | ({'body'} if spec.schemas else set())
    given = inspect.signature(handler).parameters
    assert {key.lstrip('_') for key in given} == wanted
    if not spec.optional and (method != 'POST' or not path.endswith('/action')):
        assert bool(spec.schemas) == (method in ('POST', 'PUT'))
    assert spec.since in mv.HISTORY
    assert [since for since, _schema in spec.schemas] == sorted(
        (since for since, _schema in spec.schemas), reverse=True)


def test_every_handler_asks_for_a_right():
    silent = {name for name, _method, _path, handler in HANDLERS
              if not re.search(r'authorize|\bcan\(', _reachable(handler))}
    assert silent == OPEN


def _reachable(function, depth=3):
    """The source of a handler and of the functions of its module that it calls."""
    text = inspect.getsource(function)
    module = inspect.getmodule(function)
    if depth:
        # A handler may be made by a function that was given another one.
        known = {**vars(module), **inspect.getclosurevars(function).nonlocals}
        for name in set(re.findall(r'\b_?[a-z_]+(?=\()', text)):
            inner = known.get(name)
            if inspect.isfunction(inner) and inner is not function:
                text += _reachable(inner, depth - 1)
    return text
