# SPDX-License-Identifier: Apache-2.0
"""How the tests of LVM are shared out among labs. The labs themselves are proved by being used."""
import os
import pathlib
import types

import pytest

from tests.lvm import forward
from tools import guest, lab

ALL = ['rest/test_kill.py', 'rest/test_life.py', 'test_contract.py', 'test_setup.py']


@pytest.fixture
def items():
    return [types.SimpleNamespace(path=pathlib.Path(name), nodeid=name)
            for name in ALL]


@pytest.mark.parametrize(('separate', 'processors', 'parts'), [
    (True, {0, 1}, [ALL[:1], ALL[1:]]),
    (True, {1}, [ALL]),
    # Two labs on loop devices of one machine would take each other's group away.
    (False, {0, 1}, [ALL])])
def test_parts(monkeypatch, items, separate, processors, parts):
    monkeypatch.setattr(lab, 'separate', lambda: separate)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: processors)
    assert [[item.nodeid for item in part] for part in forward._parts(items)] == parts


def test_a_part_of_nothing_is_no_part(monkeypatch, items):
    monkeypatch.setattr(lab, 'separate', lambda: True)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: {0, 1})
    assert forward._parts(items[1:2]) == [items[1:2]]


def test_guests_of_different_numbers_run_on_different_processors(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: {2, 5})
    guests = [guest.GuestLab(number) for number in range(3)]
    for each in guests:
        each.folder.rmdir()
    assert [each._command(terminal=False)[2] for each in guests] == ['5', '2', '5']
