# SPDX-License-Identifier: Apache-2.0
"""Computes which volumes to move from pools that are too full, so that the fewest GiB are moved.
Numbers only; cinder.scheduler.advice knows pools and volumes."""
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

# Limits of the search for the fewest GiB: volumes, and steps.
MOST_SEARCHED, MOST_STEPS = 400, 50_000


class Candidate(NamedTuple):
    """A volume that can be moved: its GiB, its pool, and the pools that accept it."""

    ident: str
    size: int
    source: str
    targets: frozenset[str]


class Plan(NamedTuple):
    """The moves, as ident -> target; None: none were found. `best` tells whether the search was
    complete: no other plan moves fewer GiB, or none exists."""

    moves: dict[str, str] | None
    best: bool


def make_plan(excess: Mapping[str, float], rooms: Mapping[str, float],
              candidates: Sequence[Candidate], deadline: float = math.inf,
              clock: Callable[[], float] = time.monotonic) -> Plan:
    """Return the moves after which each source has lost its excess.

    :param excess: source -> GiB above the level.
    :param rooms: target -> GiB that it can take; a target is no source.
    :param deadline: time of the clock at which the search for a better plan ends.
    """
    order = sorted((each for each in candidates if each.size > 0),
                   key=lambda each: (each.source, -each.size, sorted(each.targets), each.ident))
    found = _greedy(excess, rooms, order)
    if found is not None:
        _shrink(found, excess, rooms, order)
    if len(order) > MOST_SEARCHED:
        return Plan(found, False)
    search = _Search(excess, rooms, order, found, lambda: clock() > deadline)
    search.visit(0, 0)
    return Plan(search.best, not search.ended)


def _greedy(excess: Mapping[str, float], rooms: Mapping[str, float],
            order: Sequence[Candidate]) -> dict[str, str] | None:
    """Move the largest volumes that do not exceed the excess, then the smallest that cover the
    rest."""
    left, room, moves = dict(excess), dict(rooms), dict[str, str]()
    for fits in (lambda each: each.size <= left[each.source], lambda each: left[each.source] > 0):
        for each in (order if not moves else reversed(order)):
            target = _widest(each, room)
            if each.ident not in moves and target is not None and fits(each):
                moves[each.ident] = target
                left[each.source] -= each.size
                room[target] -= each.size
    return None if any(amount > 0 for amount in left.values()) else moves


def _widest(each: Candidate, room: Mapping[str, float]) -> str | None:
    target = max(each.targets, key=lambda name: (room[name], name), default=None)
    return target if target is not None and room[target] >= each.size else None


def _shrink(moves: dict[str, str], excess: Mapping[str, float], rooms: Mapping[str, float],
            order: Sequence[Candidate]) -> None:
    """Leave volumes that need not be moved, and exchange volumes for smaller ones that suffice."""
    room, spare = dict(rooms), {name: -amount for name, amount in excess.items()}
    moved = {each.ident: each for each in order if each.ident in moves}
    for each in moved.values():
        room[moves[each.ident]] -= each.size
        spare[each.source] += each.size
    for each in sorted(moved.values(), key=lambda each: -each.size):
        least = each.size - spare[each.source]
        target = moves[each.ident]
        room[target] += each.size
        smaller = None if least <= 0 else min(
            (other for other in order if other.source == each.source and target in other.targets
             and least <= other.size < each.size and other.ident not in moves),
            key=lambda other: other.size, default=each)
        del moves[each.ident]
        spare[each.source] -= each.size
        if smaller is not None:
            moves[smaller.ident] = target
            spare[each.source] += smaller.size
            room[target] -= smaller.size


class _Search:
    """Branch and bound: each volume is moved to one of its targets, or stays.

    :param best: the best plan so far.
    :param is_late: returns whether the search is to end.
    """

    def __init__(self, excess: Mapping[str, float], rooms: Mapping[str, float],
                 order: Sequence[Candidate], best: dict[str, str] | None,
                 is_late: Callable[[], bool]) -> None:
        self._left, self._room, self._order = dict(excess), dict(rooms), order
        sizes = {each.ident: each.size for each in order}
        self.best = best
        self._cost: float = math.inf if best is None else sum(map(sizes.__getitem__, best))
        self._moves: dict[str, str] = {}
        self._steps, self._is_late, self.ended = 0, is_late, False
        # GiB of the volumes of a source from a position on, and the next different volume.
        self._rest: list[dict[str, int]] = [dict.fromkeys(excess, 0)]
        self._next = [0] * len(order)
        for place in reversed(range(len(order))):
            each = order[place]
            self._rest.append({**self._rest[-1],
                               each.source: self._rest[-1][each.source] + each.size})
            same = place + 1 < len(order) and order[place + 1][1:] == each[1:]
            self._next[place] = self._next[place + 1] if same else place + 1
        self._rest.reverse()

    def visit(self, place: int, cost: int) -> None:
        """Search the plans that decide otherwise from a position on."""
        self._steps += 1
        if self.ended or self._steps > MOST_STEPS or (self._steps % 64 == 0 and self._is_late()):
            self.ended = True
            return
        lacking = {name: math.ceil(left) for name, left in self._left.items() if left > 0}
        if cost + sum(lacking.values()) >= self._cost:
            return
        if not lacking:
            self.best, self._cost = dict(self._moves), cost
            return
        if any(self._rest[place][name] < least for name, least in lacking.items()):
            return
        each = self._order[place]
        if each.source in lacking:
            self._move(place, each, cost)
        # Of equal volumes, the first ones are moved.
        self.visit(self._next[place], cost)

    def _move(self, place: int, each: Candidate, cost: int) -> None:
        for target in sorted(each.targets, key=lambda name: (-self._room[name], name)):
            if self._room[target] < each.size:
                break
            self._room[target] -= each.size
            self._left[each.source] -= each.size
            self._moves[each.ident] = target
            self.visit(place + 1, cost + each.size)
            del self._moves[each.ident]
            self._left[each.source] += each.size
            self._room[target] += each.size
