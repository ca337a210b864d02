# SPDX-License-Identifier: Apache-2.0
"""Who may write the status of a resource: transition(), finish_transition(), settle() and
destroy(), and overwrite() for an administrator; update() never."""
import ast
import importlib
import pathlib
import pkgutil

import pytest

import cinder.db

ROOT = pathlib.Path(cinder.db.__file__).parents[1]
# Modules whose rows have a status.
WITH_STATUS = {name: module for _finder, name, _package in pkgutil.iter_modules(cinder.db.__path__)
               if 'status' in getattr(getattr(
                   module := importlib.import_module(f'cinder.db.{name}'), '_T', None), 'c', ())
               and hasattr(module, 'get') and hasattr(module, 'update')}
# Use cases that overwrite a status, and why they may.
OVERWRITERS = {
    'db/volumes.py': 'settle()', 'db/volume_migrations.py': 'targets, which nobody else knows',
    'volume/api/volume_migrations.py': 'targets', 'volume/manager/migration_rows.py': 'targets',
    **{f'volume/api/{kind}.py': 'reset_status()' for kind in (
        'backups', 'group_snapshots', 'groups', 'snapshots', 'volumes')},
    'volume/manager/failover_rows.py': 'volumes whose storage is or is not reachable',
    'volume/manager/group_replication.py': 'replication_status',
    'db/resource.py': 'update() of other columns'}


def test_all_kinds_are_looked_at():
    assert set(WITH_STATUS) == {'backups', 'group_snapshots', 'groups', 'snapshots', 'volumes'}


@pytest.mark.parametrize('name', WITH_STATUS)
def test_update_refuses_a_status(ctxt, name):
    with pytest.raises(ValueError, match=f'must not change the status of {name}'):
        WITH_STATUS[name].update(ctxt, 'x', {'display_name': 'n', 'status': 'available'})


def test_only_those_overwrite_a_status_who_may():
    texts = {path: path.read_text() for path in ROOT.rglob('*.py')}
    found = {str(path.relative_to(ROOT)) for path, text in texts.items() if 'overwrite' in text
             for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)
             and getattr(node.func, 'attr', getattr(node.func, 'id', None)) == 'overwrite'}
    assert found == set(OVERWRITERS)
