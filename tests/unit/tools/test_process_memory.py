# SPDX-License-Identifier: Apache-2.0
"""The measurement of memory in a process that a large one has started."""
import subprocess
import sys

from tests import process_memory

PROGRAM = 'from tests import process_memory; print(process_memory.most_kibibytes())'


def test_a_large_process_does_not_count_for_what_it_starts():
    large = bytearray(b'x') * (200 << 20)
    measured = int(subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True,
                              check=True).stdout)
    assert 1024 < measured < 100 * 1024 < process_memory.most_kibibytes() and large
