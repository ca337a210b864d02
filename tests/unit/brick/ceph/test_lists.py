# SPDX-License-Identifier: Apache-2.0
"""No request lists the pool: the functions that do are these, and doc/source/ceph.rst tells who
calls them."""
import ast
import pathlib

import pytest

import cinder
from tests import rbd_storage

ROOT = pathlib.Path(cinder.__file__).parent
# Module and function -> who may call it, outside of that module.
LISTING = {
    ('brick/ceph/inventory.py', 'take'): {'volume/drivers/rbd_audit.py'},
    ('brick/ceph/trash.py', 'entries'): {'brick/ceph/inventory.py',
                                         'volume/drivers/rbd_manage.py'},
    ('brick/ceph/trash.py', 'due'): {'volume/drivers/rbd.py'},
    ('brick/ceph/mirror.py', 'failing'): {'volume/drivers/rbd_replication.py'},
    ('volume/drivers/rbd_manage.py', '_sizes'): set(),
    ('volume/drivers/rbd_report.py', '_count'): set()}
# What calls them, of the purge of the trash, the health of copies, the list of manageable volumes
# and the doctor.
CALLERS = {'purge_deleted', 'failing_copies', '_trash', '_findings', 'take'}
NAMES = {name.removeprefix('RBD.') for name in rbd_storage.LISTS}
SOURCES = {str(path.relative_to(ROOT)): ast.parse(path.read_text())
           for folder in ('brick/ceph', 'backup/ceph', 'backup/drivers', 'volume/drivers')
           for path in sorted((ROOT / folder).glob('*.py'))
           if folder != 'volume/drivers' or path.name.startswith('rbd')}


def functions(tree):
    """The functions of a module, with what is in them."""
    return [(each.name, list(ast.walk(each))) for each in ast.walk(tree)
            if isinstance(each, ast.FunctionDef)]


def test_these_functions_list_the_pool():
    found = {(path, name) for path, tree in SOURCES.items() for name, nodes in functions(tree)
             for node in nodes if isinstance(node, ast.Constant) and node.value in NAMES}
    assert found == set(LISTING)


@pytest.mark.parametrize(('path', 'name'), [each for each in LISTING if LISTING[each]])
def test_they_are_called_for_no_request(path, name):
    module = pathlib.PurePath(path).stem
    callers = {(other, function) for other, tree in SOURCES.items()
               for function, nodes in functions(tree) for node in nodes
               if isinstance(node, ast.Attribute) and node.attr == name
               and isinstance(node.value, ast.Name) and node.value.id == module}
    assert {other for other, _function in callers} == LISTING[path, name]
    assert {function for _other, function in callers} <= CALLERS
