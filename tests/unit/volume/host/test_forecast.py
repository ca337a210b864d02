# SPDX-License-Identifier: Apache-2.0
"""When a pool is full, from how it grew."""
import pytest

from cinder.volume.host import forecast


class Pool:
    """A pool of 1000 GiB, of which each report is noted."""

    def __init__(self):
        self.now, self.used = 0.0, 100.0
        self.forecast = forecast.Forecast(lambda: self.now)

    def days(self, minutes=0, gib=0.0):
        self.now += minutes * 60
        self.used += gib
        report = {'pools': [{'pool_name': 'p', 'total_capacity_gb': 1000,
                             'free_capacity_gb': 1000 - self.used}]}
        self.forecast.add(report)
        return report['pools'][0].get(forecast.KEY)


def test_a_pool_that_grows_steadily():
    pool = Pool()
    found = [pool.days(1, 0.1) for _minute in range(120)]
    # Nothing in the first hour; then 888 GiB are free, and 144 are used in a day.
    assert found[:59] == [None] * 59
    assert found[-1] == pytest.approx(888 / 144, abs=0.02)


@pytest.mark.parametrize('gib', [0, -0.1, 1e-6])
def test_a_pool_that_does_not_grow(gib):
    pool = Pool()
    assert {pool.days(10, gib) for _report in range(20)} == {None}
    assert forecast.seconds_of({}) == float('inf')


def test_what_was_long_ago_does_not_count():
    pool = Pool()
    for _hour in range(24):
        pool.days(60, 20)
    for _hour in range(25):
        last = pool.days(60, 0)
    assert last is None
    assert len(pool.forecast._samples['p']) <= forecast.KEPT / forecast.EVERY + 1


def test_sizes_that_are_no_numbers():
    report = {'total_capacity_gb': 'infinite', 'free_capacity_gb': 'unknown'}
    forecast.Forecast().add(report)
    assert forecast.KEY not in report


def test_a_report_without_pools():
    made, now = forecast.Forecast(lambda: now[0]), [0.0]
    for now[0] in (0.0, 7200.0):
        report = {'total_capacity_gb': 100, 'free_capacity_gb': 50 - now[0] / 720}
        made.add(report)
    assert report[forecast.KEY] == pytest.approx(40 / 120, abs=0.01)
