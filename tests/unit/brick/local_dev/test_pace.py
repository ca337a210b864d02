# SPDX-License-Identifier: Apache-2.0
"""Pace: how a copy is cut up, and how long it has to take alone and beside others."""
import concurrent.futures
import time

import pytest

from cinder.brick.local_dev.pace import MIB, Pace


@pytest.mark.parametrize(('limit', 'size', 'pieces'), [
    (0, 5 * MIB, [(0, 5 * MIB)]),
    (0, 0, []),
    (2 * MIB, 5 * MIB, [(0, 2 * MIB), (2 * MIB, 2 * MIB), (4 * MIB, MIB)]),
    # Pieces stay aligned: devices are read and written past the page cache.
    (2 * MIB + 7, 3 * MIB, [(0, 2 * MIB), (2 * MIB, MIB)]),
    (1, 2 * MIB, [(0, MIB), (MIB, MIB)]),
    (9 * MIB, 7, [(0, 7)]),
])
def test_pieces(limit, size, pieces):
    pace = Pace(limit)
    pace._reserve = lambda piece: 0.0
    assert list(pace.pieces(size)) == pieces


def copy(pace, size):
    for _piece in pace.pieces(size):
        """Moving it takes no time."""


def test_size_by_limit_is_the_least_time():
    began = time.monotonic()
    copy(Pace(50 * MIB), 5 * MIB)
    assert 0.1 <= time.monotonic() - began < 0.2


def test_several_copies_share_the_limit():
    pace, began = Pace(50 * MIB), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _index: copy(pace, 2 * MIB), range(3)))
    assert 0.12 <= time.monotonic() - began < 0.3


def test_time_that_the_copying_took_counts_and_idle_time_does_not_add_up():
    pace = Pace(50 * MIB)
    time.sleep(0.05)
    slept = []
    for _piece in pace.pieces(MIB, slept.append):
        time.sleep(0.03)
    for _piece in pace.pieces(MIB, slept.append):
        """At once."""
    assert slept[0] == 0
    assert 0 < slept[1] <= 0.02
