# SPDX-License-Identifier: Apache-2.0
"""Limits of the size of a volume: the results are those of Cinder 29.0.0 for the same specs."""
import pytest

from cinder.objects import qos


@pytest.mark.parametrize(('size', 'specs', 'expected'), [
    (10, {'total_iops_sec_per_gb': '30'}, {'total_iops_sec': 300}),
    (2, {'total_iops_sec_per_gb': '30', 'total_iops_sec_per_gb_min': '100'},
     {'total_iops_sec': 100}),
    (1000, {'total_iops_sec_per_gb': '30', 'total_iops_sec_max': '5000'},
     {'total_iops_sec': 5000}),
    (10, {'total_iops_sec_per_gb': '30', 'total_iops_sec_max': '5000'}, {'total_iops_sec': 300}),
    (10, {'total_iops_sec': '7', 'total_iops_sec_per_gb': '30'}, {'total_iops_sec': 300}),
    (10, {'total_iops_sec_max': '5000', 'read_iops_sec': '7'},
     {'total_iops_sec_max': '5000', 'read_iops_sec': '7'}),
    (10, {'other_per_gb': '1', 'read_bytes_sec_per_gb': '3'},
     {'other_per_gb': '1', 'read_bytes_sec': 30})])
def test_limits_follow_from_the_size(size, specs, expected):
    assert qos.fault(specs) is None
    before = dict(specs)
    assert (qos.of_size(specs, size), specs) == (expected, before)


@pytest.mark.parametrize('rate', qos.RATES)
@pytest.mark.parametrize(('specs', 'words'), [
    ({'_per_gb': '1.5'}, 'whole number'), ({'_per_gb': '-1'}, 'whole number'),
    ({'_per_gb': None}, 'whole number'), ({'_per_gb': '1', '_per_gb_min': 'x'}, 'whole number'),
    ({'_per_gb': '1', '_max': 'x'}, 'whole number'), ({'_per_gb_min': '1'}, 'without'),
    ({'_max': 'x'}, None)])
def test_values_that_are_no_numbers(rate, specs, words):
    found = qos.fault({rate + key: value for key, value in specs.items()})
    assert found is None if words is None else words in found
