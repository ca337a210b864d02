# SPDX-License-Identifier: Apache-2.0
"""What thin_dump and thin_delta print (0.9.0) becomes ranges; anything else is not taken for it.
The programs themselves run in tests/lvm."""
import io
import os
import subprocess
import types

import pytest

from cinder.privsep import command, thin_metadata

HEAD = '<superblock uuid="" time="2" transaction="5" data_block_size="128" nr_data_blocks="1000">'
DUMP = HEAD + """
  <device dev_id="1" mapped_blocks="13" transaction="0" creation_time="0" snap_time="2">
    <range_mapping origin_begin="0" data_begin="0" length="10" time="0"/>
    <single_mapping origin_block="10" data_block="40" time="1"/>
    <single_mapping origin_block="20" data_block="30" time="0"/>
  </device>
</superblock>"""
DELTA = HEAD + """
  <diff left="2" right="1">
    <same begin="0" length="10"/>
    <different begin="20" length="1"/>
    <left_only begin="25" length="2"/>
    <right_only begin="50" length="1"/>
  </diff>
</superblock>"""
SHARED = HEAD + '<def name="a"><single_mapping origin_block="1" data_block="1" time="0"/></def>'


def pairs(numbers):
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def fed(text, limit=thin_metadata.LIMIT):
    found = thin_metadata.Found(1, limit)
    found.feed(io.BytesIO(text.encode()))
    return found


@pytest.mark.parametrize(('text', 'ranges'), [
    (DUMP, [(0, 11), (20, 1)]), (DELTA, [(20, 1), (25, 2), (50, 1)]),
    (HEAD + '<device dev_id="1"></device></superblock>', [])])
def test_ranges(text, ranges):
    found = fed(text)
    assert (found.block, pairs(found.ranges), found.is_complete) == (65536, ranges, True)


def test_of_too_many_ranges_neighbours_are_one():
    """Each block that was told is in one, and their number stays within the limit."""
    blocks = [3 * number for number in range(400)]
    text = ''.join(f'<single_mapping origin_block="{number}"/>' for number in blocks)
    found = fed(f'{HEAD}<device dev_id="1">{text}</device></superblock>', limit=70)
    ranges = pairs(found.ranges)
    assert len(ranges) <= 70
    assert ranges == sorted(ranges)
    assert all(any(begin <= block < begin + length for begin, length in ranges)
               for block in blocks)


class Process:
    """A script that has ended."""

    def __init__(self, text, code):
        self.stdout, self.returncode = io.BytesIO(text.encode()), code


@pytest.fixture
def script(monkeypatch):
    """Its words, and what it prints."""
    made = types.SimpleNamespace(words=None, text=DUMP, code=0)

    def start(_script, *words, programs, output):
        made.words, made.programs = words, programs
        assert output == subprocess.PIPE
        return Process(made.text, made.code)
    monkeypatch.setattr(command, 'start_script', start)
    monkeypatch.setattr(command, 'finish', lambda *_args: (made.code, '', 'no room'))
    monkeypatch.setattr(os.path, 'exists', lambda path: path == '/dev/mapper/vg-pool-tpool')
    return made


def test_the_script(script):
    block, ranges = thin_metadata.read('vg-pool', 1)
    assert (block, pairs(ranges)) == (65536, [(0, 11), (20, 1)])
    assert script.words == ('240', '0', 'vg-pool-tpool', 'thin_dump', '-m', '--dev-id', '1',
                            '/dev/mapper/vg-pool_tmeta')
    assert script.programs == ('dmsetup', 'thin_dump')
    script.text = DELTA
    assert pairs(thin_metadata.read('vg-other', 1, 2, left=True)[1])[0] == (20, 1)
    assert script.words == ('240', '1', 'vg-other', 'thin_delta', '-m', '--thin1', '2', '--thin2',
                            '1', '/dev/mapper/vg-other_tmeta')


@pytest.mark.parametrize(('text', 'code', 'error'), [
    (DUMP, 1, 'thin_dump: no room .exit code 1.'), ('', 0, 'no element found'),
    (DUMP[:200], 0, 'no element found|unclosed token'), (SHARED, 0, 'unexpected element <def>'),
    (HEAD + '</superblock>', 0, 'has no device 1 in its output'),
    (DUMP.replace('dev_id="1"', 'dev_id="7"'), 0, 'has no device 1 in its output')])
def test_anything_else_is_not_believed(script, text, code, error):
    script.text, script.code = text, code
    with pytest.raises(ValueError, match=error):
        thin_metadata.read('vg-pool', 1)


def test_a_name_is_not_an_option(script):
    with pytest.raises(ValueError, match='invalid name'):
        thin_metadata.read('--all', 1)
    assert script.words is None
