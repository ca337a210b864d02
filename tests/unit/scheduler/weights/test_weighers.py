# SPDX-License-Identifier: Apache-2.0
"""What each weigher weighs, and the handler that chooses by chance."""
import collections
import math
import random

import pytest

from cinder.db import volumes as volumes_db
from cinder.scheduler import plugin_faults, weights
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.host_manager import Pool
from cinder.scheduler.weights import capacity, chance, goodness, stochastic, volume_number
from tests.fakes import scheduler as fakes


def pool(name='p', host='h@b', cluster=None, **report):
    return Pool(name, report, Capacity.from_report(fakes.report(**report)), host, cluster)


def test_allocated_capacity_prefers_pools_with_few():
    pools = [pool('full', allocated_capacity_gb=80), pool('empty'),
             pool('half', allocated_capacity_gb=40)]
    for multiplier, best in ((-1.0, 'empty'), (2.0, 'full')):
        conf = fakes.options(allocated_capacity_weight_multiplier=multiplier)
        handler = weights.OrderedHostWeightHandler([capacity.AllocatedCapacityWeigher(conf)])
        assert handler.choose(pools, fakes.request()).pool_name == best
    assert fakes.options().allocated_capacity_weight_multiplier == -1.0


@pytest.mark.parametrize(('function', 'rating'), [
    (None, 0), ('', 0), ('50', 50), ('100', 100), ('100.5', 0), ('-1', 0), ('"50"', 0),
    ('1 > 0', 100), ('0 > 1', 0), ('99.5', 99.5), ('stats.nothing', 0), ('1 +', 0),
    ('(volume.size < 20) * 60', 60), ('stats.free_capacity_gb / 2', 25.0), ('"1e400" * 1', 0)])
def test_goodness_is_a_rating_from_0_to_100(function, rating):
    rated = pool(free_capacity_gb=50, goodness_function=function)
    weigher = goodness.GoodnessWeigher(fakes.options())
    assert weigher.weigh(rated, fakes.request(10)) == rating
    assert weigher.weigh_all([rated, pool()], fakes.request(10)) == [rating, 0]


def test_goodness_of_a_request_is_computed_once_for_equal_functions(monkeypatch):
    pools = [pool(name, goodness_function='volume.size * 2') for name in 'abc']
    weigher = goodness.GoodnessWeigher(fakes.options())
    assert weigher.weigh_all(pools, fakes.request(10)) == [20, 20, 20]
    assert weigher.weigh_all(pools, fakes.request(11)) == [22, 22, 22]


def test_chance():
    weigher = chance.ChanceWeigher(fakes.options())
    drawn = weigher.weigh_all([pool()] * 100, fakes.request())
    assert all(0 <= weight < 1 for weight in drawn)
    assert len(set(drawn)) == 100


@pytest.mark.usefixtures('database')
class TestVolumeNumber:
    POOLS = (pool(host='n1@b'), pool(host='n2@b'), pool(host='n3@b', cluster='c@b'))

    @staticmethod
    def create(ctxt, number, **values):
        for _ in range(number):
            volumes_db.create(ctxt, {'size': 1, 'status': 'available', 'project_id': 'p9',
                                     'user_id': 'u1', 'attach_status': 'detached', **values})

    def chosen(self, ctxt, weigher):
        spec = fakes.request(facts={})
        weigher.prepare(ctxt, spec)
        assert weigher.weigh(self.POOLS[0], spec) == 3
        return weights.OrderedHostWeightHandler([weigher]).choose(self.POOLS, spec).name

    def test_few_volumes_of_any_project_are_best(self, ctxt):
        self.create(ctxt, 3, host='n1@b#p')
        self.create(ctxt, 1, host='n2@b#p')
        self.create(ctxt, 4, host='n2@b#q')
        self.create(ctxt, 2, host='n9@b#p', cluster_name='c@b#p')
        self.create(ctxt, 9, host=None)
        assert self.chosen(ctxt, volume_number.VolumeNumberWeigher(fakes.options())) == 'n2@b#p'
        conf = fakes.options(volume_number_multiplier=1.0)
        assert self.chosen(ctxt, volume_number.VolumeNumberWeigher(conf)) == 'n1@b#p'

    def test_counting_takes_a_small_part_of_the_time(self, ctxt, monkeypatch):
        clock, counted = fakes.Clock(), []

        def count(_ctxt):
            counted.append(clock.now)
            clock.now += 2
            return {}
        monkeypatch.setattr(volume_number.backend_volumes, 'count_by_pool', count)
        weigher = volume_number.VolumeNumberWeigher(fakes.options(), clock)
        for _ in range(100):
            weigher.prepare(ctxt, fakes.request(facts={}))
            clock.now += 1
        assert counted == [1000, 1042, 1084]

    def test_no_number_is_unknown(self):
        handler = weights.OrderedHostWeightHandler([
            volume_number.VolumeNumberWeigher(fakes.options())])
        assert handler.weigh(self.POOLS, fakes.request(facts={})) == [[-2.0] * 3]


class Broken(weights.BaseWeigher):
    """Fails for pools whose name is an error, and likes others in the order of their names."""

    def weigh(self, pool, spec):
        if pool.pool_name == 'raises':
            raise RuntimeError('broken')
        return {'nan': math.nan, 'text': 'high'}.get(pool.pool_name, ord(pool.pool_name[0]))


@pytest.mark.parametrize('bad', ['raises', 'nan', 'text'])
def test_a_pool_that_a_weigher_fails_on_is_the_last_and_the_failure_logged_once(
        bad, caplog, monkeypatch):
    monkeypatch.setattr(plugin_faults, '_logged', set())
    handler = weights.OrderedHostWeightHandler([Broken(fakes.options())])
    pools = [pool('a'), pool(bad), pool('b')]
    for _again in range(3):
        assert [one.pool_name for one in handler.order(pools, fakes.request())] == ['b', 'a', bad]
        assert handler.choose(pools, fakes.request()).pool_name == 'b'
    assert caplog.text.count('Broken failed for pool') == (bad != 'nan')
    assert handler.choose(pools[1:2], fakes.request()).pool_name == bad


def test_stochastic_handler_chooses_in_proportion(monkeypatch):
    monkeypatch.setattr(random, 'choices', random.Random(7).choices)
    handler = stochastic.StochasticHostWeightHandler([
        capacity.CapacityWeigher(fakes.options())])
    pools = [pool('low', free_capacity_gb=10), pool('middle', free_capacity_gb=40),
             pool('high', free_capacity_gb=70)]
    drawn = collections.Counter(handler.choose(pools, fakes.request()).pool_name
                                for _ in range(3000))
    assert drawn['low'] == 0
    assert 1.8 < drawn['high'] / drawn['middle'] < 2.2
    equal = collections.Counter(handler.choose([pool('a'), pool('b')], fakes.request()).pool_name
                                for _ in range(1000))
    assert 400 < equal['a'] < 600
    assert handler.choose(pools[:1], fakes.request()).pool_name == 'low'
