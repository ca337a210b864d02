# SPDX-License-Identifier: Apache-2.0
"""The fewest GiB to move, against the attempt of every plan."""
import itertools
import random

import pytest

from cinder.scheduler import rebalance
from cinder.scheduler.rebalance import Candidate, make_plan


def brute_force(excess, rooms, candidates):
    """The fewest GiB of all plans; None: no plan is valid."""
    costs = []
    for choice in itertools.product(*[(None, *each.targets) for each in candidates]):
        moved = {each.ident: target for each, target in zip(candidates, choice, strict=True)
                 if target is not None}
        if is_valid(moved, excess, rooms, candidates):
            costs.append(cost_of(moved, candidates))
    return min(costs, default=None)


def cost_of(moves, candidates):
    return sum(each.size for each in candidates if each.ident in moves)


def is_valid(moves, excess, rooms, candidates):
    """Whether the moves go to accepted targets, have the space, and leave no excess."""
    left, room = dict(excess), dict(rooms)
    for each in candidates:
        if each.ident in moves:
            assert moves[each.ident] in each.targets
            left[each.source] -= each.size
            room[moves[each.ident]] -= each.size
    return all(amount <= 0 for amount in left.values()) and all(
        amount >= 0 for amount in room.values())


def case(seed, volumes=7):
    dice = random.Random(seed)
    sources, targets = 'AB'[:dice.randint(1, 2)], 'XYZ'[:dice.randint(1, 3)]
    candidates = [
        Candidate(str(number), dice.choice((1, 2, 3, 5, 8, 8, 13)), dice.choice(sources),
                  frozenset(name for name in targets if dice.random() < 0.7))
        for number in range(dice.randint(1, volumes))]
    return ({name: dice.choice((1, 2.5, 4, 9, 15)) for name in sources},
            {name: dice.choice((0, 3, 8, 9.5, 20)) for name in targets}, candidates)


@pytest.mark.parametrize('seed', range(150))
def test_fewest_gib_of_small_cases(seed):
    excess, rooms, candidates = case(seed)
    plan, least = make_plan(excess, rooms, candidates), brute_force(excess, rooms, candidates)
    assert plan.best
    assert (plan.moves is None) == (least is None)
    if least is not None:
        assert is_valid(plan.moves, excess, rooms, candidates)
        assert cost_of(plan.moves, candidates) == least


def test_cases_are_of_both_kinds():
    outcomes = [make_plan(*case(seed)).moves for seed in range(150)]
    assert 20 < outcomes.count(None) < 130


@pytest.mark.parametrize('seed', range(20))
def test_plan_without_search_is_valid_and_near(seed, monkeypatch):
    excess, rooms, candidates = case(seed, volumes=30)
    exact = make_plan(excess, rooms, candidates)
    monkeypatch.setattr(rebalance, 'MOST_SEARCHED', 0)
    quick = make_plan(excess, rooms, candidates)
    assert not quick.best
    if quick.moves is not None:
        assert is_valid(quick.moves, excess, rooms, candidates)
        assert cost_of(exact.moves, candidates) <= cost_of(quick.moves, candidates)
        # An exchange leaves less above the need than the largest volume.
        assert cost_of(quick.moves, candidates) < sum(excess.values()) + 13 * len(excess)


def test_many_volumes_end_the_search():
    dice = random.Random(1)
    candidates = [Candidate(str(number), dice.randint(1, 500), 'A', frozenset('XY'))
                  for number in range(2000)]
    plan = make_plan({'A': 12345.5}, {'X': 8000, 'Y': 9000}, candidates)
    assert is_valid(plan.moves, {'A': 12345.5}, {'X': 8000, 'Y': 9000}, candidates)
    assert 12346 <= cost_of(plan.moves, candidates) <= 12350
