# SPDX-License-Identifier: Apache-2.0
"""Size of the request against the room of the pool."""
import pytest

from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters.capacity_filter import CapacityFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes


def refuse(size, extra_specs=None, **report):
    space = Capacity.from_report(fakes.report(**report))
    return CapacityFilter(fakes.options()).refuse(
        Pool('p', {}, space, 'h@b'), fakes.request(size, extra_specs))


@pytest.mark.parametrize(('size', 'report'), [
    (100, {}), (90, {'reserved_percentage': 10}), (5000, {'free_capacity_gb': 'unknown'}),
    (5000, {'free_capacity_gb': 'infinite'}), (2000, {'thin_provisioning_support': True}),
    (0, {'free_capacity_gb': 0})])
def test_fits(size, report):
    assert refuse(size, **report) is None


@pytest.mark.parametrize(('size', 'report'), [
    (101, {}), (91, {'reserved_percentage': 10}), (2001, {'thin_provisioning_support': True}),
    (1, {'total_capacity_gb': 0, 'free_capacity_gb': 0}), (1, {'free_capacity_gb': 0})])
def test_refused(size, report):
    assert refuse(size, **report) is not None


def test_thick_type_gets_no_over_subscribed_space():
    thick = {'provisioning:type': 'thick'}
    assert refuse(101, thick, thin_provisioning_support=True) is not None
    assert refuse(100, thick, thin_provisioning_support=True) is None


def test_tenant_learns_the_size_he_asked_for_and_the_operator_the_sum():
    reason = refuse(101, reserved_percentage=20)
    assert reason.words == 'not enough room for 101 GiB'
    assert reason.detail == ('wants 101 GiB, has 80: 100 of 100 GiB free, 20 % (20 GiB) reserved')


def test_sum_of_a_thin_pool():
    reason = refuse(80, total_capacity_gb=78.6, free_capacity_gb=51.34, reserved_percentage=20,
                    thin_provisioning_support=True, max_over_subscription_ratio='1.5',
                    provisioned_capacity_gb=40)
    assert reason.detail == (
        'wants 80 GiB, has 54.51: 51.34 of 78.6 GiB free, 20 % (15 GiB) reserved, 40 GiB '
        'provisioned, over-subscription ratio 1.5')
