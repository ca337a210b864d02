# SPDX-License-Identifier: Apache-2.0
"""Ranges of a volume, and the pieces in which they are copied."""
import random
import threading

import pytest

from cinder.backup.ceph import pieces


def numbers(ranges):
    return {number for offset, length in ranges for number in range(offset, offset + length)}


@pytest.mark.parametrize('seed', range(20))
def test_ranges_against_sets(seed):
    dice = random.Random(seed)
    lists = [[(dice.randrange(80), dice.randrange(12)) for _ in range(dice.randrange(6))]
             for _ in range(2)]
    merged = pieces.merged(*lists)
    assert numbers(merged) == numbers(lists[0]) | numbers(lists[1])
    assert all(here + length < there
               for (here, length), (there, _) in zip(merged, merged[1:], strict=False))
    assert numbers(pieces.gaps(merged, 60)) == set(range(60)) - numbers(merged)
    cut = list(pieces.cut(merged, 60, 8))
    assert numbers(cut) == {number for number in numbers(merged) if number < 60}
    assert all(offset // 8 == (offset + length - 1) // 8 for offset, length in cut)


def test_pieces_end_in_order_and_few_are_on_their_way():
    guard, under_way, most = threading.Lock(), [], []

    def copy(offset, _length):
        with guard:
            under_way.append(offset)
            most.append(len(under_way))
        with guard:
            under_way.remove(offset)

    todo = [(number, 1) for number in range(50)]
    assert list(pieces.run(copy, todo, lambda: None, most=3 * pieces.PIECE)) == todo
    assert max(most) <= 3


def test_an_error_ends_the_copy():
    def copy(offset, _length):
        if offset == 5:
            raise OSError('x')

    done = []
    with pytest.raises(OSError, match='x'):
        for piece in pieces.run(copy, [(number, 1) for number in range(50)], lambda: None):
            done.append(piece)
    assert done == [(number, 1) for number in range(5)]
