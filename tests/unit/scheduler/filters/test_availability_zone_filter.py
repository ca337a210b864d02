# SPDX-License-Identifier: Apache-2.0
"""Zone of the request, zones of the type, zone of the service."""
import pytest

from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters.availability_zone_filter import AvailabilityZoneFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes


def refuse(zone, type_zones=None):
    specs = {'RESKEY:availability_zones': type_zones} if type_zones else {}
    pool = Pool('p', {}, Capacity.from_report({}), 'h@b', availability_zone='az1')
    return AvailabilityZoneFilter(fakes.options()).refuse(
        pool, fakes.request(availability_zone=zone, extra_specs=specs))


@pytest.mark.parametrize(('zone', 'type_zones'), [
    (None, None), ('az1', None), (None, 'az2, az1'), ('az1', 'az1')])
def test_fits(zone, type_zones):
    assert refuse(zone, type_zones) is None


def test_other_zone_is_named_as_it_was_asked_for():
    reason = refuse('az2')
    assert reason.words == 'not in availability zone az2'
    assert reason.detail == 'it is in az1'


@pytest.mark.parametrize('zone', [None, 'az1'])
def test_zone_that_the_type_does_not_allow(zone):
    assert 'volume type' in refuse(zone, 'az2,az3').words
