# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of reserved, thin and over-subscribed space."""
import math

import pytest

from cinder.scheduler import capacity


def space(total=100, free=100, **report):
    return capacity.Capacity.from_report(
        {'total_capacity_gb': total, 'free_capacity_gb': free, **report})


THIN = {'thin_provisioning_support': True}


@pytest.mark.parametrize(('value', 'number'), [
    (5, 5.0), ('5.5', 5.5), ('infinite', math.inf), ('Unknown', None), (None, None), ('', None),
    (float('nan'), None), ('12 GB', None)])
def test_gib(value, number):
    assert capacity.parse_gib(value) == number


@pytest.mark.parametrize(('report', 'room'), [
    ({}, 100),
    ({'reserved_percentage': 10}, 90),
    ({'free': 30, 'reserved_percentage': 25}, 5),
    # thick pools do not promise more than they have
    ({'max_over_subscription_ratio': 20}, 100),
    ({**THIN, 'max_over_subscription_ratio': 2}, 200),
    ({**THIN, 'max_over_subscription_ratio': 2, 'provisioned_capacity_gb': 150}, 50),
    ({**THIN, 'max_over_subscription_ratio': 2, 'reserved_percentage': 10,
      'provisioned_capacity_gb': 150}, 30),
    # promises were kept low but the pool is full in fact
    ({**THIN, 'max_over_subscription_ratio': 20, 'free': 5, 'reserved_percentage': 5}, 0),
    ({**THIN, 'max_over_subscription_ratio': 2, 'free': 7}, 14),
    # promised space is what was allocated where the driver does not report it
    ({**THIN, 'max_over_subscription_ratio': 1, 'allocated_capacity_gb': 60}, 40),
    ({'free': 'infinite', 'total': 'infinite'}, math.inf),
    ({**THIN, 'free': 'infinite', 'total': 'infinite', 'provisioned_capacity_gb': 7}, math.inf),
    ({'free': 'unknown', 'total': 'unknown'}, None),
    ({**THIN, 'total': 'unknown', 'free': 10, 'max_over_subscription_ratio': '3.0'}, 30),
])
def test_room(report, room):
    assert space(**report).available() == room


def test_room_of_a_thick_volume_in_a_thin_pool_is_what_is_there():
    assert space(free=40, **THIN).available(thick=True) == 40


@pytest.mark.parametrize(('reported', 'configured', 'ratio'), [
    (None, '20.0', 20.0), ('1.5', 20, 1.5), (0.5, '3', 3.0), ('auto', 20, 'auto'),
    (None, 'AUTO', 'auto'), (0, '0.1', capacity.DEFAULT_RATIO), ('many', None, 20.0)])
def test_ratio_comes_from_the_pool_then_from_the_options(reported, configured, ratio):
    report = {'max_over_subscription_ratio': reported}
    assert capacity.Capacity.from_report(report, configured).ratio == ratio


@pytest.mark.parametrize(('free', 'provisioned', 'ratio'), [
    (100, 0, 20.0), (51, 100, 3.0), (100, 50, 51.0), ('unknown', 100, 20.0),
    ('infinite', 100, 20.0)])
def test_auto_ratio_follows_the_use_of_the_pool(free, provisioned, ratio):
    pool = space(free=free, max_over_subscription_ratio='auto',
                 provisioned_capacity_gb=provisioned, **THIN)
    assert pool.over_subscription == ratio


@pytest.mark.parametrize(('report', 'thick', 'left'), [
    ({}, False, 60), (THIN, False, 1960), (THIN, True, 60)])
def test_take_is_seen_in_the_room_until_it_is_given_back(report, thick, left):
    pool = space(**report)
    before = pool.available(thick)
    pool.consume(40, thick)
    assert pool.available(thick) == left
    assert pool.allocated == pool.provisioned == 40
    pool.consume(-40, thick)
    assert pool.available(thick) == before


@pytest.mark.parametrize(('specs', 'thick'), [
    ({}, False), ({'provisioning:type': 'thick'}, True), ({'provisioning:type': 'thin'}, False),
    ({'capabilities:thick_provisioning_support': '<is> True'}, True),
    ({'thick_provisioning_support': '<is> False'}, False)])
def test_wants_thick(specs, thick):
    assert capacity.wants_thick(specs) is thick
