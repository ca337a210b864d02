# SPDX-License-Identifier: Apache-2.0
"""The function of the driver against the request and the pool."""
import pytest

from cinder import objects
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters.driver_filter import DriverFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes

# The reason for a refusal must agree with the fast test.
ACCEPTED = (
    None, '', '1', 'volume.size < 100', 'volume.size == 10 and extra.tier == gold',
    'stats.total_capacity_gb >= 100 ? volume.size < 50 : volume.size < 5',
    'capabilities.limits.iops > extra.iops', 'stats.host == "h@b#p"',
    'stats.free_capacity_gb == 90',
    'stats.reserved_percentage == 5', 'stats.provisioned_capacity_gb == 10', 'qos.maxIOPS == 500',
    'volume.display_name == "my volume"', 'volume.metadata.tier == 1', 'volume.name == "my volume"',
    'volume.volume_type_id == volume_type.id', 'volume_type.name == gold',
    'volume_types.name == "gold"', 'volume.availability_zone == nova', 'stats.vendor_name == Open',
    'stats.multiattach == 1')
REFUSED = {
    'volume.size < 10': 'filter_function volume.size < 10 is false, with volume.size = 10',
    'volume.size * 20 < stats.free_capacity_gb': 'with stats.free_capacity_gb = 90, volume.size',
    'extra.tier == silver': 'with extra.tier = gold',
    '0': 'filter_function 0 is false',
}
FAULTY = {
    'volume.size <': 'filter_function volume.size <: column 14: the text ends, expected a number',
    'stats.iops > 5': 'there is no stats.iops', 'extra.tier > 5': "'gold' > 5: expected two",
    'volume.snapshot_id == 1': 'volume.snapshot_id has no value',
    'volume.provider_auth == 1': 'there is no volume.provider_auth',
}


def both(function, **values):
    """The answers of the fast test and of the filter that tells the reason."""
    report = fakes.report(filter_function=function, limits={'iops': 9000}, reserved_percentage=5,
                          free_capacity_gb=100)
    pool = Pool('p', report, Capacity.from_report(report), 'h@b', availability_zone='nova')
    pool.capacity.consume(10)
    spec = fakes.request(10, {'tier': 'gold', 'iops': '500'}, availability_zone='nova', **values)
    spec.volume = objects.Volume(display_name='my volume', metadata={'tier': '1'},
                                 provider_auth='secret')
    spec.volume_type.qos_specs = {'id': 'x', 'consumer': 'back-end', 'specs': {'maxIOPS': '500'}}
    check = DriverFilter(fakes.options())
    return check.test(spec)(pool), check.refuse(pool, spec)


@pytest.mark.parametrize('function', ACCEPTED)
def test_accepted(function):
    assert both(function) == (True, None)


@pytest.mark.parametrize(('function', 'detail'), REFUSED.items())
def test_refusal_names_the_values(function, detail):
    passes, reason = both(function)
    assert not passes
    assert reason.words == 'its driver does not accept the volume'
    assert detail in reason.detail


@pytest.mark.parametrize(('function', 'detail'), FAULTY.items())
def test_a_function_without_a_value_refuses_its_pool(function, detail):
    passes, reason = both(function)
    assert not passes
    assert reason.words == 'the rule of its driver cannot be evaluated'
    assert detail in reason.detail
    assert 'secret' not in reason.detail
