# SPDX-License-Identifier: Apache-2.0
"""What threads share, under native threads that change places a million times a second: no result
may rest on "nothing waits here", which is true of green threads only."""
import ast
import contextlib
import pathlib
import random
import re
import sys
import threading

import pytest

import cinder
from cinder import context, exception, objects, policy
from cinder.db import operations as operations_db
from cinder.operations import runner as runner_module
from cinder.rpc import base, outbox
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.host_manager import HostManager
from tests.fakes import scheduler as fakes

ROUNDS, THREADS = 60, 8
CTXT = context.get_admin_context()


@pytest.fixture
def hurry():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*works):
    """Run functions in threads that begin at the same moment."""
    begin, failures = threading.Barrier(len(works)), []

    def run(work):
        begin.wait()
        try:
            work()
        except Exception as exc:
            failures.append(exc)
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_space_is_promised_once(hurry):
    conf = fakes.options()
    for number in range(ROUNDS):
        manager = HostManager(conf, fakes.Services(
            fakes.service('n1@b'), fakes.service('n2@b')), fakes.Clock())
        manager.update('n1@b', fakes.report(free_capacity_gb=50))
        driver = FilterScheduler(conf, manager)
        given, undone = [], []

        def ask(driver=driver, given=given):
            with contextlib.suppress(exception.NoValidBackend):
                given.append(driver.decide(CTXT, fakes.request(size=10)))

        def ask_and_undo(driver=driver, undone=undone):
            with contextlib.suppress(exception.NoValidBackend):
                undone.append(driver.decide(CTXT, fakes.request(size=10)))
                undone[0].undo()

        def report(manager=manager):
            for other in range(5):
                manager.update(f'n{other + 2}@b', fakes.report(free_capacity_gb=0))
                assert manager.has_reports()
        together(*[ask] * THREADS, *[ask_and_undo] * (number % 2), report)
        # Whoever gave space back had it while another one asked, perhaps.
        assert 5 - len(undone) <= len(given) <= 5
        assert len(given) == 5 or undone
        free = manager.pools(CTXT)[0][0].capacity.free
        assert free == 50 - 10 * len(given)


def test_an_operation_is_held_by_one_thread_and_given_back_once(hurry, monkeypatch):
    made = runner_module.OperationRunner('h@b', 'execute', {})
    released, claimed, holders = [], [], {}
    monkeypatch.setattr(operations_db, 'claim', lambda ctxt, operation, *_args, **_kwargs:
                        claimed.append(operation.id))
    monkeypatch.setattr(operations_db, 'release', lambda ctxt, operation: released.append(
        operation.id))
    monkeypatch.setattr(operations_db, 'renew', lambda ctxt, owner, lease, held: list(held))

    def work(number):
        for _ in range(5):
            once(number)

    def once(number):
        operation = objects.Operation(
            id=str(number), verb='volume.create', resource_type='volume', resource_id='v',
            project_id='p', state='queued', fence=0, attempt=0, arguments={})
        try:
            with made.claimed(CTXT, operation, 'volume.create:execute:claim'):
                assert holders.setdefault(operation.id, operation) is operation, 'held twice'
                made.renew()
                del holders[operation.id]
                if number % 2:
                    raise ValueError('it breaks off')
        except (exception.OperationLost, ValueError):
            pass

    for _ in range(ROUNDS):
        numbers = [number % 2 for number in range(THREADS)]
        random.shuffle(numbers)
        together(*[lambda number=number: work(number) for number in numbers], made.renew)
        assert (made._held, made._unreleased) == ({}, {})
    broken = [ident for ident in claimed if int(ident) % 2]
    assert len(released) >= len(broken) > 0
    assert set(released) == set(broken)


def test_all_messages_of_a_new_process_are_sent(hurry):
    for _ in range(ROUNDS):
        box, sent = outbox.Outbox(), []
        together(*[lambda number=number, box=box, sent=sent: box.put(
            lambda: sent.append(number), 'message') for number in range(THREADS)])
        box.flush(5)
        assert sorted(sent) == list(range(THREADS))


def test_what_is_made_once_is_made_once(hurry, monkeypatch):
    monkeypatch.setattr(base, '_state', {'transport': None, 'conf': None})
    for number in range(ROUNDS):
        made, found = [], []

        def make(_conf, made=made):
            made.append(object())
            return made[-1]
        together(*[lambda make=make, name=str(number), found=found: found.append(
            base.make_once(name, make))] * THREADS)
        assert len(made) == 1 and set(found) == set(made)


def test_no_test_of_a_policy_outlives_the_rules_it_was_made_of(monkeypatch):
    """One thread makes the test of a rule while another one reads a changed file."""
    policy.reset()
    rule = next(iter(policy.enforcer().registered_rules))
    real = policy._test_of

    def slow(check, asked):
        found = real(check, asked)
        monkeypatch.setattr(policy, '_test_of', real)
        changed = threading.Thread(target=lambda: (policy.reset(), policy.enforcer()))
        changed.start()
        changed.join()
        return found
    monkeypatch.setattr(policy, '_test_of', slow)
    old = policy._test_named(rule)
    assert policy._test_named(rule) is not old
    policy.reset()


# ------------------------------------------------------------------- what modules keep and change
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
