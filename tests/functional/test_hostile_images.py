# SPDX-License-Identifier: Apache-2.0
"""The corpus of hostile and broken images, through the functions of the volume service and a real
qemu-img: what becomes of each, which files that opens, and what it costs."""
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.hostile_images import MIB, PASSWD, ROOM, TRAP, all_cases
from tests.hostile_images.run import CONTROL, MARK

ROOT = pathlib.Path(__file__).parents[2]
CALLS = 'open,openat,openat2,creat,execve,access,faccessat,faccessat2,socket,connect'
# A call that succeeds or fails, and the first text in it: a path.
CALL = re.compile(r'^\d+ +(?P<name>\w+)\((?P<given>.*)')
PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
ASKS = ('access', 'faccessat', 'faccessat2')
# What the memory allocator reads if threads compete.
NUMBER_OF_CPUS = '/sys/devices/system/cpu/online'
PROCESS = re.compile(r'^/proc/\d+/')
SECONDS = 300
# Of the program and of each qemu-img; the program makes the images too.
MEMORY = 320 * MIB
CPU_SECONDS = 5


class Run(NamedTuple):
    """:param rows: what the program says of each case; :param touched: case -> what it opened"""

    rows: dict[str, dict]
    memory: int
    touched: dict[str, set[str]]
    left: list[str]


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp('hostile-images')
    conversion, trace = folder / 'conversion', folder / 'trace'
    conversion.mkdir()
    done = subprocess.run(
        ['strace', '-f', '-qq', '--seccomp-bpf', '-s', '4096', '-e', f'trace={CALLS}', '-e',
         'signal=none', '-o', trace, sys.executable, '-m', 'tests.hostile_images.run', conversion],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-2000:]
    *rows, last = map(json.loads, done.stdout.splitlines())
    return Run({row['name']: row for row in rows}, last['memory'],
               touched_by(trace.read_text(errors='replace').splitlines(), str(conversion)),
               [path.name for path in conversion.iterdir()])


def touched_by(lines: list[str], conversion: str) -> dict[str, set[str]]:
    """Return the files that were opened, and the addresses, for each case; without those of Python
    and those in the folder of conversions."""
    ours = (f'{conversion}/', f'{ROOT}/', f'{sys.prefix}/', f'{sys.base_prefix}/lib/python')
    found: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in lines:
        call = CALL.match(line)
        path = PATH.search(call['given']) if call else None
        if call and path and path[1].startswith(MARK):
            current = found.setdefault(path[1].removeprefix(MARK), set())
        elif call and call['name'] in ('socket', 'connect'):
            current.add(call['given'].partition(') =')[0])
        elif (call and path and call['name'] not in ASKS and not path[1].startswith(ours)
              and path[1] != NUMBER_OF_CPUS):
            current.add(PROCESS.sub('/proc/PID/', path[1]))
    return found


def troubles(run: Run) -> Iterator[str]:
    for case in all_cases():
        row = run.rows[case.name]
        fine = (re.search(case.refused, row['said']) if case.refused
                else not row['said'] and row['size'] == case.size)
        if not fine:
            yield f'{case.name}: {row["said"] or row["size"]}, not {case.refused or case.size}'


def test_each_is_refused_or_becomes_the_right_bytes(run):
    assert len(all_cases()) == len(run.rows) >= 200
    assert list(troubles(run)) == []
    assert run.left == []


def test_no_other_file_is_opened(run):
    """What good images make the programs open is what all of them may."""
    taken = {case.name for case in all_cases() if not case.refused}
    usual = set().union(*(run.touched[name] for name in taken if name.endswith('good')))
    assert not usual & {PASSWD, TRAP} and any(path.endswith('/qemu-img') for path in usual)
    assert {name: sorted(paths - usual) for name, paths in run.touched.items()
            if paths - usual and name != CONTROL} == {}
    # One who looks away sees nothing in the others either.
    assert TRAP in run.touched[CONTROL]


def test_each_is_bounded(run):
    worst = max(run.rows.values(), key=lambda row: row['cpu'])
    assert worst['cpu'] < CPU_SECONDS, worst
    # A file of a format may be as large as twice the disk.
    worst = max(run.rows.values(), key=lambda row: row['disk'])
    assert ROOM < worst['disk'] <= 2 * ROOM + MIB, worst
    assert run.memory < MEMORY, run.memory
