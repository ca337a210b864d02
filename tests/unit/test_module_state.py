# SPDX-License-Identifier: Apache-2.0
"""What modules keep and their functions change: each name is known, with the reason why it is sound
that several threads change it. tests/unit/test_native_threads.py tries some of them."""
import ast
import pathlib
import re

import cinder

# Name -> why it is sound that threads change it.
IMPORT, START, LOCK, WHOLE = (
    'only while modules are imported', 'only at the start, by the main thread', 'under a lock',
    'replaced as a whole, and what is in it was computed of nothing that changes meanwhile')
SHARED = {
    'api.microversions.HISTORY': IMPORT,
    'api.schemas.base.FORMATS': IMPORT,
    'brick.ceph.bindings.loaded': 'one assignment; the modules are the same for each thread',
    'brick.ceph.cluster._clusters': 'setdefault(), which is one step',
    'config_check._warnings': START,
    'db.revisions._adopting': START,
    'db.session._engines': LOCK,
    'db.session._logged_at': LOCK,
    'lazy_import._states': IMPORT,
    'metrics._store': START,
    'metrics.directories._made': START,
    'metrics.neighbours._last': 'each entry is replaced in one step, and read from a copy',
    'operations.executor._executors': START,
    'policy._checked': LOCK,
    'policy._engine': LOCK,
    'policy._files': LOCK,
    'image.image_shares._kept': LOCK,
    'injected_faults._faults': LOCK,
    'privsep.command._overdue': 'each entry by the one who has the turn of its lane',
    'privsep.command._turns': 'setdefault(), which is one step',
    'privsep.dm_suspend._keepers': 'each entry by the one who made its key',
    'rpc.base._state': 'at the start and the end, or under a lock',
    'scheduler.checks._logged': 'add(), which is one step',
    'scheduler.plugin_faults._logged': 'add(), which is one step',
    'service.launchers._launcher': START,
    'service.metrics_listener._listener': START,
    'fault_points._FAULTS': START,
    'volume.api.zones._cache': WHOLE,
}
CONTAINERS = frozenset(('dict', 'list', 'set', 'OrderedDict', 'defaultdict', 'deque', 'WeakSet',
                        'WeakKeyDictionary', 'WeakValueDictionary'))
CHANGES = frozenset((
    'add', 'append', 'clear', 'discard', 'extend', 'insert', 'pop', 'popitem', 'remove',
    'setdefault', 'update'))

_KEPT = re.compile(rf'^(\w+)(?:: [^=]+)? = (?:[{{\[]|[\w.\'"\[\], ]*(?:{"|".join(CONTAINERS)})\()',
                   re.MULTILINE)


def may_change(text):
    """Whether a module may have what changed_names() looks for: to parse all would take seconds."""
    return ' global ' in text or any(re.search(
        rf'\b{name}(\[.*\] *=|\[.*\]$|\.({"|".join(CHANGES)})\()', text, re.MULTILINE)
        for name in _KEPT.findall(text))


def kept_containers(tree):
    """Names of a module that are bound to a container when it is imported."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            made = getattr(node.value, 'func', None)
            name = getattr(made, 'attr', None) or getattr(made, 'id', None)
            if (name in CONTAINERS or isinstance(
                    node.value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def changed_names(text):
    """Names of a module that its functions change: rebound, or a container whose content is."""
    tree = ast.parse(text) if may_change(text) else ast.Module([])
    kept = set(kept_containers(tree))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        own = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)} | {
            each.id for each in ast.walk(function)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                yield from node.names
            elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                name = getattr(node.value, 'id', None)
                if name in kept and name not in own:
                    yield name
            elif (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                  and node.func.attr in CHANGES):
                name = getattr(node.func.value, 'id', None)
                if name in kept and name not in own:
                    yield name


def test_all_that_modules_keep_and_change_is_known():
    root = pathlib.Path(cinder.__file__).parent
    found = set()
    for path in root.rglob('*.py'):
        if 'migrations' not in path.parts:
            module = '.'.join(path.relative_to(root).with_suffix('').parts)
            module = module.removesuffix('.__init__')
            found |= {f'{module}.{name}' for name in changed_names(path.read_text())}
    assert found == set(SHARED)
