# SPDX-License-Identifier: Apache-2.0
"""Sparse files: holes stay holes, names stand for whole files, a source that moves is noticed."""
import errno
import os

import pytest

from cinder.brick.local_dev import sparse_files
from cinder.brick.local_dev.throttle import MIB, Throttle
from tests.fakes.storage import Clock

# A source has 32 of these.
UNIT = MIB // 4


@pytest.fixture
def source(tmp_path):
    """A sparse file with data at the start, in the middle and at the very end."""
    path = tmp_path / 'source'
    with open(path, 'wb') as file:
        for offset in (0, 15 * UNIT, 32 * UNIT - 5000):
            file.seek(offset)
            file.write(os.urandom(5000))
    return path


def allocated(path):
    return os.stat(path).st_blocks * 512


@pytest.mark.parametrize('reflink', ['auto', 'never'])
def test_a_copy_has_the_same_bytes_and_the_same_holes(source, tmp_path, reflink):
    sparse_files.copy(str(source), str(tmp_path / 'copy'), 32 * UNIT, reflink)
    assert (tmp_path / 'copy').read_bytes() == source.read_bytes()
    assert allocated(tmp_path / 'copy') <= allocated(source) < MIB


def test_a_copy_may_be_bigger_and_reads_zeros_there(source, tmp_path):
    sparse_files.copy(str(source), str(tmp_path / 'copy'), 40 * UNIT)
    assert (tmp_path / 'copy').read_bytes() == source.read_bytes() + bytes(8 * UNIT)


@pytest.mark.parametrize('content', [b'', bytes(MIB), b'x' * 3 * MIB])
def test_copies_of_nothing_of_holes_and_of_data_alone(tmp_path, content):
    source = tmp_path / 'source'
    source.write_bytes(content)
    if not any(content):
        os.truncate(source, 0)
        os.truncate(source, len(content))
    sparse_files.copy(str(source), str(tmp_path / 'copy'), len(content), 'never')
    assert (tmp_path / 'copy').read_bytes() == content
    assert allocated(tmp_path / 'copy') == allocated(source)


@pytest.mark.parametrize('copy', [
    lambda a, b, throttle: sparse_files.copy(a, b, 8 * MIB, 'never', throttle),
    lambda a, b, throttle: sparse_files.replace(a, b, 8 * MIB, 'never', throttle),
    lambda a, b, throttle: (sparse_files.create(b, 8 * MIB),
                            sparse_files.copy_range(a, b, 0, 8 * MIB, throttle))])
def test_a_limited_copy_takes_its_time_for_what_is_data(tmp_path, monkeypatch, copy):
    path = tmp_path / 'source'
    with path.open('wb') as file:
        file.write(b'x' * 4 * MIB)
        file.truncate(8 * MIB)
    clock = Clock().pace_copies(monkeypatch)
    # Not what is waited for the time stamps of the source.
    monkeypatch.setattr(sparse_files, '_TICK', 0)
    began = clock.now
    copy(str(path), str(tmp_path / 'copy'), Throttle(MIB // 2))
    assert clock.now - began == pytest.approx(8)
    assert (tmp_path / 'copy').read_bytes() == path.read_bytes()


def test_a_copy_that_would_cut_its_source_is_refused(source, tmp_path):
    with pytest.raises(sparse_files.WrongSize):
        sparse_files.copy(str(source), str(tmp_path / 'copy'), 31 * UNIT)
    assert os.listdir(tmp_path) == ['source']


def test_a_failed_copy_leaves_nothing(source, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'sendfile', full)
    with pytest.raises(OSError, match='No space'):
        sparse_files.copy(str(source), str(tmp_path / 'copy'), 32 * UNIT, 'never')
    assert os.listdir(tmp_path) == ['source']


def writes_meanwhile(monkeypatch, path, times):
    """Whoever copies finds `path` written to, that many times."""
    real, left = os.sendfile, [times]

    def sendfile(*args):
        if left[0]:
            left[0] -= 1
            with open(path, 'r+b') as file:
                file.write(os.urandom(8))
                os.utime(file.fileno(), ns=(1, left[0] + 1))
        return real(*args)

    monkeypatch.setattr(os, 'sendfile', sendfile)


def test_a_source_that_was_written_to_is_copied_again(source, tmp_path, monkeypatch):
    writes_meanwhile(monkeypatch, source, 2)
    sparse_files.copy(str(source), str(tmp_path / 'copy'), 32 * UNIT, 'never')
    assert (tmp_path / 'copy').read_bytes() == source.read_bytes()


def test_a_source_that_is_always_written_to_is_no_source(source, tmp_path, monkeypatch):
    writes_meanwhile(monkeypatch, source, 100)
    with pytest.raises(sparse_files.SourceChanged, match='must be idle'):
        sparse_files.copy(str(source), str(tmp_path / 'copy'), 32 * UNIT, 'never')
    assert os.listdir(tmp_path) == ['source']


def test_a_late_attempt_does_not_replace_what_its_successor_made(tmp_path):
    path = tmp_path / 'volume'

    def successor(fd):
        path.write_bytes(b'in use')

    with pytest.raises(FileExistsError):
        sparse_files._place(str(path), successor)
    assert path.read_bytes() == b'in use'
    assert os.listdir(tmp_path) == ['volume']


def test_an_attempt_that_was_taken_for_dead_fails(tmp_path):
    path = str(tmp_path / 'volume')
    with pytest.raises(FileNotFoundError):
        sparse_files._place(path, lambda fd: sparse_files.remove(path))
    assert os.listdir(tmp_path) == []


def test_names_with_a_common_start_are_kept_apart(tmp_path):
    for name in ('volume-1', 'volume-10', 'volume-1*'):
        sparse_files.create(str(tmp_path / name), MIB)
    sparse_files.remove(str(tmp_path / 'volume-1*'))
    sparse_files.remove(str(tmp_path / 'volume-1'))
    assert os.listdir(tmp_path) == ['volume-10']


def test_replacing_is_whole_or_not_at_all(source, tmp_path, monkeypatch):
    path = tmp_path / 'volume'
    path.write_bytes(b'old')
    (tmp_path / 'volume.new').write_bytes(b'left by an interrupted attempt')
    sparse_files.replace(str(source), str(path), 32 * UNIT)
    assert path.read_bytes() == source.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ['source', 'volume']


def test_reflinks_are_tried_without_leaving_anything(tmp_path):
    assert sparse_files.can_reflink(str(tmp_path)) in (True, False)
    assert os.listdir(tmp_path) == []


def test_insisting_on_a_reflink(source, tmp_path):
    if sparse_files.can_reflink(str(tmp_path)):
        sparse_files.copy(str(source), str(tmp_path / 'copy'), 32 * UNIT, 'always')
    else:
        with pytest.raises(OSError):
            sparse_files.copy(str(source), str(tmp_path / 'copy'), 32 * UNIT, 'always')
        assert os.listdir(tmp_path) == ['source']


def test_usage(tmp_path):
    sparse_files.create(str(tmp_path / 'a'), 3 * MIB)
    sparse_files.create(str(tmp_path / 'b'), 2 * MIB)
    total, free, provisioned, count = sparse_files.usage(str(tmp_path))
    assert (provisioned, count) == (5 * MIB, 2)
    assert 0 < free < total


@pytest.mark.parametrize(('start', 'size'), [(0, 32), (10, 10), (16, 16), (1, 13), (20, 1)])
def test_a_range_is_copied_with_its_holes_and_nothing_else(source, tmp_path, start, size):
    target = tmp_path / 'target'
    target.write_bytes(b'')
    os.truncate(target, 32 * UNIT)
    sparse_files.copy_range(str(source), str(target), start * UNIT, size * UNIT)
    whole, copied = source.read_bytes(), target.read_bytes()
    here = slice(start * UNIT, (start + size) * UNIT)
    assert copied[here] == whole[here]
    assert not any(copied[:here.start]) and not any(copied[here.stop:])
    assert allocated(target) <= allocated(source)


def test_a_file_takes_another_name_and_size_and_keeps_its_bytes(source, tmp_path):
    content = source.read_bytes()
    for _attempt in range(2):
        sparse_files.adopt(str(source), 'new', 33 * UNIT)
        assert (tmp_path / 'new').read_bytes() == content + bytes(UNIT)
        assert os.listdir(tmp_path) == ['new']
    assert os.stat(tmp_path / 'new').st_mode & 0o077 == 0


def test_a_longer_file_is_not_cut(source, tmp_path):
    with pytest.raises(sparse_files.WrongSize):
        sparse_files.adopt(str(source), 'new', UNIT)
    assert os.listdir(tmp_path) == ['source']


def test_a_shared_file_has_two_names_until_one_goes(source, tmp_path):
    content = source.read_bytes()
    target = tmp_path / 'target'
    target.write_bytes(b'empty')
    for _attempt in range(2):
        assert sparse_files.share(str(source), str(target))
        assert sorted(os.listdir(tmp_path)) == ['source', 'target']
    sparse_files.remove(str(source))
    assert target.read_bytes() == content


def test_the_listing_has_whole_files_only(source, tmp_path):
    (tmp_path / 'a.01234567.part').write_bytes(b'')
    (tmp_path / '.hidden').write_bytes(b'')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'link').symlink_to(source)
    assert sparse_files.listing(str(tmp_path)) == {'source': 32 * UNIT}


@pytest.mark.parametrize(('broken', 'act'), [
    ('os.link', lambda source, target: sparse_files.share(source, target)),
    ('fcntl.ioctl', lambda source, target: sparse_files.copy(source, f'{target}-new', 32 * UNIT)),
    ('os.lseek', lambda source, target: sparse_files.copy(source, f'{target}-new', 32 * UNIT,
                                                          'never'))])
def test_a_disk_that_fails_is_no_file_system_that_cannot(source, tmp_path, monkeypatch, broken,
                                                         act):
    def fail(*_args):
        raise OSError(errno.EIO, 'Input/output error')
    (tmp_path / 'target').touch()
    monkeypatch.setattr(f'cinder.brick.local_dev.sparse_files.{broken}', fail)
    with pytest.raises(OSError, match='Input/output'):
        act(str(source), str(tmp_path / 'target'))
    assert sorted(os.listdir(tmp_path)) == ['source', 'target']
