# SPDX-License-Identifier: Apache-2.0
"""The transition tables name only statuses that exist."""
import pytest

from cinder.objects import states


@pytest.mark.parametrize(('table', 'statuses'), [
    (states.VOLUME, states.VOLUME_STATUSES), (states.SNAPSHOT, states.SNAPSHOT_STATUSES),
    (states.BACKUP, states.BACKUP_STATUSES), (states.GROUP, states.GROUP_STATUSES),
    (states.GROUP_SNAPSHOT, states.GROUP_SNAPSHOT_STATUSES)])
def test_rows_use_known_statuses(table, statuses):
    known = {*statuses, states.PREVIOUS, None}
    for verb, row in table.items():
        used = {*(row.allowed or ()), row.meanwhile, row.after, row.error}
        assert used <= known, verb
        assert row.http in (400, 409)


def test_a_failed_verb_leads_out_of_its_transitional_status():
    for table in (states.VOLUME, states.SNAPSHOT, states.BACKUP, states.GROUP,
                  states.GROUP_SNAPSHOT):
        for verb, row in table.items():
            if row.meanwhile in states.TRANSITIONAL:
                assert row.error and row.error not in states.TRANSITIONAL, verb


@pytest.mark.parametrize(('held', 'status', 'attach_status'), [
    ([], 'available', 'detached'),
    (['reserved'], 'reserved', 'reserved'),
    (['reserved', 'attaching'], 'attaching', 'attaching'),
    (['attaching', 'attached'], 'in-use', 'attached'),
    (['error_attaching'], 'reserved', 'reserved'),
    (['error_detaching', 'reserved'], 'in-use', 'attached')])
def test_statuses_follow_from_attachments(held, status, attach_status):
    assert states.settle(held) == {'status': status, 'attach_status': attach_status}


@pytest.mark.parametrize('present', states.OWNED)
@pytest.mark.parametrize(('held', 'status', 'attach_status'), [
    ([], 'available', 'detached'), (['reserved'], 'reserved', 'reserved'),
    (['attached'], 'in-use', 'attached')])
def test_what_is_under_way_keeps_its_status_and_returns_to_what_the_attachments_say(
        present, held, status, attach_status):
    assert states.settle(held, present) == {
        'previous_status': status, 'attach_status': attach_status}


def test_a_volume_that_is_filled_is_not_available_before():
    assert states.settle([], 'reserved', under_way='downloading')['status'] == 'downloading'
    assert states.settle(['attached'], 'reserved', under_way='downloading')['status'] == 'in-use'


@pytest.mark.parametrize('present', states.FAILED)
def test_letting_go_mends_no_error(present):
    assert states.settle([], present, 'reserved') == {
        'previous_status': 'available', 'attach_status': 'detached'}
    # But one that was in use, whose export failed, is whole.
    assert states.settle([], present, 'in-use')['status'] == 'available'
