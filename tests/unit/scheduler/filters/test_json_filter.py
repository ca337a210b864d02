# SPDX-License-Identifier: Apache-2.0
"""Queries on the report of a pool; tests/unit/test_json_query.py has the language."""
import json

import pytest

from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters.json_filter import JsonFilter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes


def both(query):
    report = fakes.report(total_capacity_gb=100, free_capacity_gb=60, limits={'iops': 50},
                          thin_provisioning_support=False)
    pool = Pool('p', report, Capacity.from_report(report), 'h@b')
    pool.capacity.consume(10)
    spec = fakes.request(scheduler_hints={'query': query} if query is not None else {})
    check = JsonFilter(fakes.options())
    test = check.test(spec)
    reason = check.refuse(pool, spec)
    assert (reason is None) is (test is None or test(pool))
    return reason


@pytest.mark.parametrize('query', [
    None, '', '[]', ['=', '$free_capacity_gb', 50], '["=", "$capabilities.free_capacity_gb", 60]',
    ['=', '$host', 'h@b#p'], ['=', '$volume_backend_name', 'lvm'], ['=', '$limits.iops', 50],
    ['=', '$capabilities.limits.iops', 50], ['=', '$thin_provisioning_support', False],
    ['not', ['=', '$limits', 'x']], ['and', ['>', '$total_capacity_gb', 99],
                                     ['in', '$storage_protocol', 'iSCSI', 'FC']]])
def test_match(query):
    assert both(query) is None
    assert not query or isinstance(query, str) or both(json.dumps(query)) is None


@pytest.mark.parametrize(('query', 'detail'), [
    (['>', '$free_capacity_gb', 80], "with free_capacity_gb = 50"),
    ('["=", "$nothing", 1]', '["=", "$nothing", 1], with nothing = None')])
def test_refusal_names_the_values_for_the_operator_only(query, detail):
    reason = both(query)
    assert reason.words == 'does not match the query of the hint'
    assert detail in reason.detail


@pytest.mark.parametrize(('query', 'detail'), [
    (['<', '$volume_backend_name', 5], "'<' not supported between"),
    ('["!", 1]', 'unknown operator "!"')])
def test_a_query_without_a_value_refuses_the_pool(query, detail):
    reason = both(query)
    assert reason.words == 'the query of the hint cannot be evaluated'
    assert detail in reason.detail
