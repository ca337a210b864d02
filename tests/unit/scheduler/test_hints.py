# SPDX-License-Identifier: Apache-2.0
"""What filters look up for a decision, and hints that none of them reads."""
import pytest

from cinder import exception
from cinder.scheduler import filters, plugin_faults, weights
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.test_filter_scheduler import CTXT, chosen, refused, scheduler


class Unlucky(filters.BaseFilter):
    """Cannot look up what it needs."""

    hints = ('luck',)
    error = RuntimeError('the oracle is away')

    def prepare(self, ctxt, spec):
        raise self.error


class UnluckyWeigher(weights.BaseWeigher):
    prepare = Unlucky.prepare
    error = Unlucky.error

    def weigh(self, pool, spec):
        return spec.facts['luck']


def with_unlucky(**options):
    return scheduler(fakes.report(), scheduler_default_filters=[f'{__name__}.Unlucky'], **options)


def test_a_filter_that_cannot_be_prepared_refuses_all_pools(caplog, monkeypatch):
    monkeypatch.setattr(plugin_faults, '_logged', set())
    driver = with_unlucky()
    for _again in range(2):
        text, words = refused(driver)
        assert 'n1@b#lvm: Unlucky: a filter met an unexpected error (the oracle is away)' in text
        assert words == 'a filter met an unexpected error'
    assert driver.explain(CTXT, fakes.request()).choice is None
    assert caplog.text.count('Unlucky cannot look up') == 1


def test_a_weigher_that_cannot_be_prepared_is_ignored(caplog, monkeypatch):
    monkeypatch.setattr(plugin_faults, '_logged', set())
    driver = scheduler(
        fakes.report(), fakes.report(free_capacity_gb=200),
        scheduler_default_weighers=['CapacityWeigher', f'{__name__}.UnluckyWeigher'])
    assert chosen(driver) == 'n2@b#lvm'
    assert [text for text in caplog.messages if 'UnluckyWeigher' in text] == [
        'UnluckyWeigher cannot look up what it needs for a decision.']
    best, second = driver.explain(CTXT, fakes.request()).pools
    assert (best.weights[1], second.weights[1]) == (('UnluckyWeigher', 0.0),) * 2


def test_a_database_that_is_away_refuses_no_pool(monkeypatch):
    monkeypatch.setattr(Unlucky, 'error', exception.DatabaseUnavailable())
    with pytest.raises(exception.DatabaseUnavailable):
        with_unlucky().decide(CTXT, fakes.request())


@pytest.mark.parametrize(('names', 'ignored'), [
    ([], ['colour', 'group', 'luck', 'query', 'same_host']),
    (['SameBackendFilter'], ['colour', 'luck', 'query']),
    (['SameBackendFilter', 'JsonFilter', f'{__name__}.Unlucky'], ['colour'])])
def test_hints_that_no_filter_reads(names, ignored):
    driver = scheduler(fakes.report(), scheduler_default_filters=names)
    hints = {'same_host': 'x', 'group': 'x', 'query': '[]', 'colour': 'red', 'luck': 1,
             'different_host': [], 'local_to_instance': None}
    assert driver.survey.ignored_hints(hints) == ignored
    assert driver.survey.ignored_hints({}) == []
