# SPDX-License-Identifier: Apache-2.0
"""What is stored of decisions, and that its size is bounded."""
import json

import pytest

from cinder import exception
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.scheduler import records
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.conftest import tell, told, wanted
from tests.unit.scheduler.test_filter_scheduler import CTXT, scheduler


def test_placement():
    driver = scheduler(fakes.report(free_capacity_gb=50), fakes.report(free_capacity_gb=70),
                       fakes.report(free_capacity_gb=5), fakes.report(),
                       services=[*(fakes.service(f'n{number}@b') for number in (1, 2, 3)),
                                 fakes.service('n4@b', disabled=True)])
    assert driver.decide(CTXT, fakes.request(10)).record == {
        'pools': 4, 'fitting': 2, 'refused': [
            'n4@b: service: a storage service is not available (its service is disabled)',
            'n3@b#lvm: CapacityFilter: not enough room for 10 GiB (wants 10 GiB, has 5: 5 of 100 '
            'GiB free, 0 % (0 GiB) reserved)'],
        'weights': {'n2@b#lvm': {'CapacityWeigher': 1.0}, 'n1@b#lvm': {'CapacityWeigher': 0.0}}}


def test_placement_without_a_choice_has_no_weights():
    driver = scheduler(fakes.report())
    assert driver.decide(CTXT, fakes.request(10)).record == {
        'pools': 1, 'fitting': 1, 'refused': [], 'weights': {}}


def test_size_of_a_record_is_bounded():
    driver = scheduler(*[fakes.report(free_capacity_gb=free, volume_backend_name='x' * 200)
                         for free in [*range(200), *range(90, 140)]])
    record = driver.decide(CTXT, fakes.request(100)).record
    assert len(record['refused']) == records.MOST_REFUSALS
    assert record['weights'] == {} and record['fitting'] == 140
    assert len(json.dumps(record)) < 4000


def test_refusal_has_a_line_for_each_pool_up_to_the_bound():
    driver = scheduler(*[fakes.report(free_capacity_gb=1)] * 300)
    with pytest.raises(exception.NoValidBackend) as caught:
        driver.decide(CTXT, fakes.request(10))
    text = records.of_refusal(caught.value)
    *lines, last = text.splitlines()
    assert len(text) < records.MOST_CHARACTERS + 20
    assert last == f'and {300 - len(lines)} more'
    assert lines[0].startswith('n1@b#lvm: CapacityFilter: not enough room for 10 GiB (wants')
    assert records.of_refusal(exception.NoValidBackend(reason='x' * 20_000)) == 'x' * 16_000


def test_both_are_stored(database, ctxt, manager):
    volume, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, volume)
    assert operations_db.get(ctxt, operation.id).arguments['decision']['fitting'] == 1
    tell(manager, free_capacity_gb=5)
    refused, operation = wanted(ctxt)
    manager.create_volume(ctxt, operation, refused)
    message, = told(ctxt, refused)
    assert message['operator_detail'].startswith('n1@lvm#lvm: CapacityFilter: not enough room')
    assert 'n1@lvm' not in message['user_message']
    assert messages_db.last_detailed(ctxt, refused.id)['id'] == message['id']
    assert messages_db.last_detailed(ctxt, volume.id) is None
