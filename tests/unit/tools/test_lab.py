# SPDX-License-Identifier: Apache-2.0
"""How the tests of LVM are shared out among labs, and what keeps a machine from having one. They
themselves are proved by their use."""
import os
import pathlib
import tempfile
import types

import pytest

from tests.lvm import forward
from tools import guest, lab, room

ALL = ['rest/test_kill.py', 'rest/test_life.py', 'test_contract.py', 'test_setup.py']


@pytest.fixture
def items():
    return [types.SimpleNamespace(path=pathlib.Path(name), nodeid=name)
            for name in ALL]


@pytest.mark.parametrize(('separate', 'processors', 'room', 'parts'), [
    (True, {0, 1}, 2, [ALL[:1], ALL[1:]]),
    (True, {1}, 2, [ALL]),
    (True, {0, 1}, 1, [ALL]),
    # Two labs on loop devices of one machine would take each other's group away.
    (False, {0, 1}, 2, [ALL])])
def test_parts(monkeypatch, items, separate, processors, room, parts):
    monkeypatch.setattr(lab, 'separate', lambda: separate)
    monkeypatch.setattr(lab, 'obstacle', lambda labs: 'no room' if labs > room else None)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: processors)
    assert [[item.nodeid for item in part] for part in forward._parts(items)] == parts


def test_a_part_of_nothing_is_no_part(monkeypatch, items):
    monkeypatch.setattr(lab, 'separate', lambda: True)
    monkeypatch.setattr(lab, 'obstacle', lambda labs: None)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: {0, 1})
    assert forward._parts(items[1:2]) == [items[1:2]]


def test_guests_of_different_numbers_run_on_different_processors(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _pid: {2, 5})
    guests = [guest.GuestLab(number) for number in range(3)]
    for each in guests:
        each.folder.rmdir()
    assert [each._command(terminal=False)[2] for each in guests] == ['5', '2', '5']


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine where guests have all that they need; its folders are `tmp` and `shm`."""
    monkeypatch.setattr(lab, '_has_device_mapper', lambda: False)
    monkeypatch.setattr(lab, 'lacking', list)
    monkeypatch.setattr(guest, 'fits_processor', lambda: True)
    for name in ('tmp', 'shm'):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(guest, 'SHARED_MEMORY', str(tmp_path / 'shm'))
    monkeypatch.setattr(tempfile, 'gettempdir', lambda: str(tmp_path / 'tmp'))
    free = {name: 8192 for name in ('tmp', 'shm', 'memory', 'addresses')}
    monkeypatch.setattr(room, 'in_folder', lambda path: free[pathlib.Path(path).name] * room.MIB)
    monkeypatch.setattr(room, 'in_memory', lambda: free['memory'] * room.MIB)
    monkeypatch.setattr(room, 'in_addresses', lambda: free['addresses'] * room.MIB)
    return free


@pytest.mark.parametrize(('lacks', 'labs', 'said'), [
    ({}, 2, None),
    # Less than the most that guests take, and room for what they need.
    ({'shm': 1500, 'tmp': 300}, 1, None),
    ({'shm': 64, 'tmp': 5000}, 2, None),
    ({'memory': 1500}, 1, None),
    ({'memory': 1500}, 2, 'a lab needs 2048 MiB of memory, and 1500 are free'),
    ({'tmp': 100}, 1, 'a lab needs 256 MiB in {}/tmp, where 100 MiB are free; '
                      'set TMPDIR to another folder'),
    ({'addresses': 2000}, 1, 'a process may have 2000 MiB of addresses (ulimit -v), and a lab '
                             'needs 4096'),
    ({'shm': 64, 'tmp': 400}, 1, 'a lab needs 1024 MiB for its memory, in {0}/shm or in $TMPDIR; '
                                 'free are 64 MiB in {0}/shm, 400 MiB in {0}/tmp')])
def test_room_for_guests(machine, tmp_path, lacks, labs, said):
    machine.update(lacks)
    assert lab.obstacle(labs) == (said and said.format(tmp_path))


def test_a_guest_takes_no_more_memory_than_there_is(machine):
    machine.update({'shm': 3000, 'tmp': 2500})
    guests = [guest.GuestLab(labs=labs) for labs in (1, 2)]
    sizes = [word for each in guests for word in each._command(terminal=False)
             if word.startswith('mem=')]
    assert sizes == ['mem=2048M', 'mem=1500M']


def test_what_a_machine_cannot_have_is_not_asked_for(machine, monkeypatch):
    monkeypatch.setattr(guest, 'fits_processor', lambda: False)
    monkeypatch.setattr(lab, 'lacking', lambda: ['user-mode-linux'])
    assert lab.obstacle() == guest.OTHER_PROCESSOR


@pytest.mark.parametrize(('mapper', 'packages'), [
    (True, 'lvm2 tgt'), (False, 'lvm2 tgt gcc libc6-dev')])
def test_missing_packages_are_named(monkeypatch, mapper, packages):
    monkeypatch.setattr(lab, '_has_device_mapper', lambda: mapper)
    monkeypatch.setattr(lab.shutil, 'which', lambda name, path: {
        'lvm': None, 'tgtd': None, 'gcc': None, '/usr/include/stdio.h': None}.get(name, name))
    monkeypatch.setattr(os.path, 'exists', lambda name: False)
    monkeypatch.setattr(guest, 'fits_processor', lambda: True)
    assert lab.obstacle() == f'a lab needs more packages: apt-get install {packages}'


def test_a_folder_that_programs_cannot_run_from(machine, monkeypatch):
    monkeypatch.setattr(room, 'runs_programs', lambda _folder: False)
    assert 'mounted noexec; set TMPDIR' in lab.obstacle()


def test_the_limit_of_a_container_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(room, '_CGROUP', tmp_path)
    whole = room.in_memory()
    (tmp_path / 'memory.max').write_text('1000000\n')
    (tmp_path / 'memory.stat').write_text('anon 200000\nfile 900000\nshmem 100000\n')
    assert room.in_memory() == 700000 < whole
    (tmp_path / 'memory.max').write_text('max\n')
    assert room.in_memory() > 1000000
