# SPDX-License-Identifier: Apache-2.0
"""Each use case that starts an operation can be killed before and after its commit."""
import ast
import pathlib

from cinder.volume import api

_POINTS, _CREATE = 'fault_points.around', 'operations_db.create'


def _called(node):
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ''


def _creations(node, marked=False, function=''):
    """Yield of each operation that a module records: its line, the function, and whether it is
    between a pair of fault points; and the same of calls between such a pair, without a line."""
    if isinstance(node, ast.FunctionDef):
        function = node.name
    if isinstance(node, ast.With):
        marked = marked or any(_called(item.context_expr) == _POINTS for item in node.items)
    if _called(node) == _CREATE:
        yield node.lineno, function, marked
    elif marked and _called(node):
        yield None, _called(node), True
    for each in ast.iter_child_nodes(node):
        yield from _creations(each, marked, function)


def test_a_commit_of_an_operation_has_fault_points():
    found = {}
    for module in sorted(pathlib.Path(api.__file__).parent.glob('*.py')):
        creations = list(_creations(ast.parse(module.read_text())))
        inside = {name for line, name, _marked in creations if line is None}
        found[module.name] = [line for line, name, marked in creations
                              if line and not marked and name not in inside]
    assert {name: lines for name, lines in found.items() if lines} == {}
