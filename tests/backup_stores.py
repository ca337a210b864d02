# SPDX-License-Identifier: Apache-2.0
"""What every store of backups promises: one table of cases for all drivers, on fakes in tests/unit,
on servers in tests/functional, on a share in tests/lvm."""
import concurrent.futures
import datetime
import hashlib
import random
import uuid

import pytest

from cinder import exception, objects

MIB = 1024 * 1024


class Case:
    """A store and a backup with a prefix of its own in it.

    :param size: bytes of a large object
    """

    def __init__(self, store, size, project_id='p1'):
        self.size = size
        self.backup = objects.Backup(
            id=str(uuid.uuid4()), volume_id=str(uuid.uuid4()), project_id=project_id,
            availability_zone='nova', container=None,
            created_at=datetime.datetime(2026, 11, 30, 1, 2, 3))
        self.store = store.for_project(project_id)
        self.container = self.store.container_of(self.backup)
        self.prefix = self.store.prefix_of(self.backup)
        self.store.create_container(self.container)

    def write(self, name, *parts):
        with self.store.writer(self.container, self.prefix + name) as stream:
            for part in parts:
                stream.write(part)

    def read(self, name, size=MIB):
        with self.store.reader(self.container, self.prefix + name) as stream:
            return b''.join(iter(lambda: stream.read(size), b''))

    def names(self, prefix=''):
        cut = len(self.prefix)
        return [name[cut:] for name in self.store.names(self.container, self.prefix + prefix)]

    def clear(self):
        for name in self.names():
            self.store.delete(self.container, self.prefix + name)
        self.store.delete_container(self.container)


def it_answers(case):
    case.store.check()


def an_object_is_read_as_it_was_written(case):
    case.write('-00001', b'one', b'', b'two')
    case.write('-00002')
    assert (case.read('-00001', 2), case.read('-00002')) == (b'onetwo', b'')


def an_object_is_replaced(case):
    case.write('-00001', b'old and long')
    case.write('-00001', b'new')
    assert case.read('-00001') == b'new' and case.names() == ['-00001']


def names_are_listed_in_order_and_by_prefix(case):
    names = [f'-{number:05}' for number in range(1, 6)]
    for name in (*reversed(names), '_metadata', '_sha256file'):
        case.write(name, name.encode())
    assert case.names() == [*names, '_metadata', '_sha256file']
    assert case.names('-') == names and case.names('-0000') == names
    assert case.names('none') == []
    assert case.store.names(case.container, 'another' + case.prefix) == []


def names_may_be_any_text(case):
    names = sorted(('-ü€𝄞', '-a b', '-%41+&=?#', '-<x>&amp;"\'', '-~*!()', '-ZZ'))
    for name in names:
        case.write(name, name.encode())
    assert sorted(case.names('-')) == names
    assert [case.read(name).decode() for name in names] == names
    for name in names:
        case.store.delete(case.container, case.prefix + name)
    assert case.names() == []


def an_object_is_deleted_once_and_again(case):
    case.write('-00001', b'x')
    case.write('-00002', b'y')
    for _time in range(2):
        case.store.delete(case.container, f'{case.prefix}-00001')
    assert case.names() == ['-00002']
    with pytest.raises(exception.BackupObjectNotFound, match='-00001'):
        case.read('-00001')


def what_is_unknown_is_named(case):
    other = case.container[:-1] + ('x' if case.container[-1] != 'x' else 'y')
    with pytest.raises(exception.BackupObjectNotFound, match=case.prefix):
        case.read('-00001')
    assert case.store.names(other, '') == []
    case.store.delete(other, 'p')
    with pytest.raises(exception.BackupObjectNotFound), case.store.reader(other, 'p'):
        pass


def an_object_is_seen_when_it_is_complete(case):
    with case.store.writer(case.container, f'{case.prefix}-00001') as stream:
        stream.write(b'x' * min(case.size, MIB))
        with pytest.raises(exception.BackupObjectNotFound):
            case.read('-00001')
    assert case.read('-00001') == b'x' * min(case.size, MIB)


def an_interrupted_write_changes_nothing(case):
    case.write('-00001', b'old')
    for name in ('-00001', '-00002'):
        with pytest.raises(ZeroDivisionError), \
                case.store.writer(case.container, case.prefix + name) as stream:
            stream.write(b'n' * min(case.size, MIB))
            raise ZeroDivisionError
    assert case.names() == ['-00001'] and case.read('-00001') == b'old'


def a_large_object_is_streamed(case):
    piece = random.Random(1).randbytes(min(MIB, case.size))
    whole = hashlib.sha256()
    with case.store.writer(case.container, f'{case.prefix}-00001') as stream:
        for _time in range(case.size // len(piece)):
            stream.write(piece)
            whole.update(piece)
    found, count = hashlib.sha256(), 0
    with case.store.reader(case.container, f'{case.prefix}-00001') as stream:
        while part := stream.read(700_000):
            assert len(part) <= 700_000
            found.update(part)
            count += len(part)
    assert (count, found.digest()) == (case.size // len(piece) * len(piece), whole.digest())


def several_threads_use_it_at_once(case):
    content = random.Random(2).randbytes(min(case.size, 4 * MIB) // 4)

    def use(number):
        name = f'-{number:05}'
        for _time in range(2):
            case.write(name, content, name.encode())
            assert case.read(name) == content + name.encode()
        assert name in case.names()
        if number % 2:
            case.store.delete(case.container, case.prefix + name)
        return name
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = list(pool.map(use, range(16)))
    assert case.names() == [name for name in names if int(name[1:]) % 2 == 0]


def a_container_is_created_again_without_loss(case):
    case.write('-00001', b'x')
    case.store.create_container(case.container)
    case.store.delete_container(case.container)
    assert case.read('-00001') == b'x'


def nothing_is_left_of_a_deleted_backup(case):
    case.write('-00001', b'x')
    case.clear()
    case.clear()
    assert case.names() == []


CASES = (it_answers, an_object_is_read_as_it_was_written, an_object_is_replaced,
         names_are_listed_in_order_and_by_prefix, names_may_be_any_text,
         an_object_is_deleted_once_and_again, what_is_unknown_is_named,
         an_object_is_seen_when_it_is_complete, an_interrupted_write_changes_nothing,
         a_large_object_is_streamed, several_threads_use_it_at_once,
         a_container_is_created_again_without_loss, nothing_is_left_of_a_deleted_backup)
every_case = pytest.mark.parametrize('case', CASES, ids=lambda case: case.__name__)


def play(case, store, size, **kwargs):
    """Play a case on a store, and remove what it has written."""
    played = Case(store, size, **kwargs)
    try:
        case(played)
    finally:
        played.clear()
