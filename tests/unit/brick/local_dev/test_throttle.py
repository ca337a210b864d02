# SPDX-License-Identifier: Apache-2.0
"""Throttle: how a copy is cut up, and how long it has to take alone and beside others."""
import concurrent.futures
import time

import pytest

from cinder.brick.local_dev.throttle import MIB, Throttle
from tests.fakes.storage import Clock


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
    throttle = Throttle(limit)
    throttle._reserve = lambda piece: 0.0
    assert list(throttle.pieces(size)) == pieces


def copy(throttle, size, sleep=time.sleep):
    for _piece in throttle.pieces(size, sleep):
        """Moving it takes no time."""


@pytest.fixture
def clock(monkeypatch):
    return Clock().pace_copies(monkeypatch)


def test_size_by_limit_is_the_time_it_takes(clock):
    began = clock.now
    copy(Throttle(50 * MIB), 5 * MIB, clock.sleep)
    assert clock.now - began == pytest.approx(0.1)


def test_several_copies_share_the_limit():
    throttle, began = Throttle(50 * MIB), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _index: copy(throttle, MIB), range(3)))
    assert time.monotonic() - began >= 0.06


def test_time_that_the_copying_took_counts_and_idle_time_does_not_add_up(clock):
    throttle = Throttle(50 * MIB)
    clock.now += 0.05
    slept = []
    for _piece in throttle.pieces(MIB, slept.append):
        clock.now += 0.03
    for _piece in throttle.pieces(MIB, slept.append):
        """At once."""
    assert slept == pytest.approx([0, 0.02])
