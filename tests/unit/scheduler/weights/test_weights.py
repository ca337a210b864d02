# SPDX-License-Identifier: Apache-2.0
"""Order of the pools that fit."""
import pytest

from cinder.scheduler import weights
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.host_manager import Pool
from cinder.scheduler.weights.capacity import CapacityWeigher
from tests.fakes import scheduler as fakes


def pool(name, free, **report):
    space = Capacity.from_report(fakes.report(free_capacity_gb=free, **report))
    return Pool(name, {}, space, 'h@b')


def order(pools, extra_specs=None, **options):
    handler = weights.OrderedHostWeightHandler([CapacityWeigher(fakes.options(**options))])
    return [one.pool_name for one in handler.order(pools, fakes.request(1, extra_specs))]


POOLS = [('unknown', 'unknown'), ('small', 10), ('infinite', 'infinite'), ('large', 80),
         ('middle', 40)]


@pytest.mark.parametrize(('multiplier', 'names'), [
    (1.0, ['infinite', 'large', 'middle', 'small', 'unknown']),
    (5.0, ['infinite', 'large', 'middle', 'small', 'unknown']),
    (-1.0, ['small', 'middle', 'large', 'infinite', 'unknown'])])
def test_sign_of_the_multiplier_spreads_or_fills(multiplier, names):
    pools = [pool(name, free) for name, free in POOLS]
    assert order(pools, capacity_weight_multiplier=multiplier) == names


def test_thin_pool_counts_what_it_may_promise_unless_the_type_is_thick():
    pools = [pool('thick', 60), pool('thin', 10, thin_provisioning_support=True)]
    assert order(pools) == ['thin', 'thick']
    assert order(pools, {'provisioning:type': 'thick'}) == ['thick', 'thin']


def test_equal_pools_take_turns():
    pools = [pool('a', 'infinite'), pool('b', 'infinite')]
    assert order(pools)[0] == 'a'
    pools[0].capacity.consume(1)
    assert order(pools)[0] == 'b'


@pytest.mark.parametrize('pools', [[], [('only', 5)]])
def test_nothing_to_choose(pools):
    assert order([pool(*one) for one in pools]) == [name for name, _free in pools]


class Constant(weights.BaseWeigher):
    """Likes one pool, as much as its multiplier says."""

    def __init__(self, name, multiplier):
        self.name, self.multiplier = name, multiplier

    def weigh(self, pool, spec):
        return 7.0 if pool.pool_name == self.name else 3.0


@pytest.mark.parametrize(('multipliers', 'best'), [((1, 2), 'b'), ((2, 1), 'a'), ((1, -1), 'a')])
def test_weighers_are_summed_after_scaling(multipliers, best):
    handler = weights.OrderedHostWeightHandler(
        [Constant('a', multipliers[0]), Constant('b', multipliers[1])])
    pools = [pool(name, 10) for name in 'abc']
    assert handler.order(pools, fakes.request())[0].pool_name == best


@pytest.mark.parametrize(('given', 'scaled'), [
    ([1, 3, 2], [0, 1, 0.5]), ([5, 5], [0, 0]), ([0, 10, float('inf')], [0, 0.5, 1]),
    ([None, 4], [None, 0]), ([float('inf')], [1])])
def test_normalize(given, scaled):
    assert weights.normalize(given) == scaled
