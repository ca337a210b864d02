# SPDX-License-Identifier: Apache-2.0
"""Blocks: what dd is told for each way to clear and to copy."""
import stat
import time

import pytest

from cinder.brick.local_dev.block_copy import MIB, Blocks
from cinder.brick.local_dev.throttle import Throttle
from cinder.privsep import command


@pytest.mark.parametrize(('options', 'start', 'count'), [
    ({}, 'setpriv --pdeathsig KILL dd if=/dev/zero of=/dev/vg/a bs=1M', 10 * MIB),
    ({'clear_mib': 2, 'blocksize': '4M'},
     'setpriv --pdeathsig KILL dd if=/dev/zero of=/dev/vg/a bs=4M', 2 * MIB),
    ({'clear_mib': 20, 'ionice': '-c2 -n7'},
     'setpriv --pdeathsig KILL ionice -c2 -n7 dd if=/dev/zero of=/dev/vg/a bs=1M', 10 * MIB),
])
def test_clearing(options, start, count):
    calls = []
    Blocks(lambda *argv, **kwargs: calls.append((' '.join(argv), kwargs)),
           **options).clear('/dev/vg/a', 10 * MIB)
    (line, kwargs), = calls
    assert line == (f'{start} count={count} iflag=count_bytes oflag=direct '
                    'conv=fdatasync,notrunc')
    assert kwargs == {'run_as_root': True, 'timeout': None}


def test_no_clearing_when_it_is_not_wanted():
    calls = []
    Blocks(lambda *argv, **kwargs: calls.append(argv), clear='none').clear('/dev/vg/a', MIB)
    assert calls == []


def test_a_copy_reads_all_of_each_block_and_runs_at_the_normal_priority():
    calls = []
    Blocks(lambda *argv, **kwargs: calls.append(argv), ionice='-c3').copy('/dev/a', '/dev/b', MIB)
    assert calls == [('setpriv', '--pdeathsig', 'KILL', 'dd', 'if=/dev/a', 'of=/dev/b', 'bs=1M',
                      f'count={MIB}', 'iflag=count_bytes,fullblock,direct', 'oflag=direct',
                      'conv=fdatasync,notrunc')]


@pytest.mark.parametrize(('skip_zeros', 'conv'), [
    (False, 'fdatasync,notrunc'), (True, 'fdatasync,notrunc,sparse')])
def test_a_range_is_copied_to_its_place(tmp_path, skip_zeros, conv):
    calls = []
    for name in 'ab':
        (tmp_path / name).write_bytes(b'')
    one, other = str(tmp_path / 'a'), str(tmp_path / 'b')
    Blocks(lambda *argv, **kwargs: calls.append(argv)).copy_range(
        one, other, 2 * MIB, MIB, skip_zeros)
    assert calls == [('setpriv', '--pdeathsig', 'KILL', 'dd', f'if={one}', f'of={other}', 'bs=1M',
                      f'count={MIB}', f'skip={2 * MIB}', f'seek={2 * MIB}',
                      'iflag=count_bytes,skip_bytes,fullblock', 'oflag=seek_bytes',
                      f'conv={conv}')]


def test_devices_are_read_and_written_past_the_page_cache(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(stat, 'S_ISBLK', lambda _mode: True)
    Blocks(lambda *argv, **kwargs: calls.append(argv)).copy_range(
        '/dev/null', '/dev/zero', 0, MIB, False)
    assert 'iflag=count_bytes,skip_bytes,fullblock,direct' in calls[0]
    assert 'oflag=seek_bytes,direct' in calls[0]


def test_a_limited_copy_is_made_in_pieces_of_a_second_each():
    calls, throttle = [], Throttle(2 * MIB + 5)
    throttle._reserve = lambda piece: 0.0
    blocks = Blocks(lambda *argv, **kwargs: calls.append(argv[7:]), throttle=throttle)
    blocks.copy('/a', '/b', 5 * MIB)
    whole = ('oflag=direct', 'conv=fdatasync,notrunc')
    placed = ('iflag=count_bytes,fullblock,direct,skip_bytes', 'oflag=direct,seek_bytes',
              'conv=fdatasync,notrunc')
    assert calls == [
        (f'count={2 * MIB}', 'iflag=count_bytes,fullblock,direct', *whole),
        (f'count={2 * MIB}', f'skip={2 * MIB}', f'seek={2 * MIB}', *placed),
        (f'count={MIB}', f'skip={4 * MIB}', f'seek={4 * MIB}', *placed)]


def test_a_limited_copy_takes_its_time(tmp_path):
    """By dd itself, from the middle of one file into the middle of another."""
    (tmp_path / 'a').write_bytes(bytes(MIB) + b'x' * 8 * MIB)
    (tmp_path / 'b').write_bytes(bytes(9 * MIB))
    began = time.monotonic()
    Blocks(lambda *argv, **_kwargs: command.execute(*argv), throttle=Throttle(80 * MIB)).copy_range(
        str(tmp_path / 'a'), str(tmp_path / 'b'), MIB, 8 * MIB, False)
    assert time.monotonic() - began >= 8 / 80
    assert (tmp_path / 'b').read_bytes() == (tmp_path / 'a').read_bytes()
