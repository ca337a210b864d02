# SPDX-License-Identifier: Apache-2.0
"""What threads share, under native threads that change places a million times a second: no result
may rest on "nothing waits here", which is true of green threads only."""
import contextlib
import random
import sys
import threading

import pytest

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
