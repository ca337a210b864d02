# SPDX-License-Identifier: Apache-2.0
"""The last complete period at some moments; without an offset as documented by the original."""
import datetime

import pytest

from cinder import exception
from cinder.cmd import periods


@pytest.mark.parametrize(('text', 'now', 'begin', 'end'), [
    ('hour', '2026-03-04 09:07', '2026-03-04 08:00', '2026-03-04 09:00'),
    ('hour@30', '2026-03-04 00:07', '2026-03-03 22:30', '2026-03-03 23:30'),
    ('day', '2026-07-04 09:07', '2026-07-03 00:00', '2026-07-04 00:00'),
    ('day@10', '2026-07-04 09:07', '2026-07-02 10:00', '2026-07-03 10:00'),
    ('month', '2026-04-01 00:00', '2026-03-01 00:00', '2026-04-01 00:00'),
    ('month@15', '2026-01-14 23:59', '2025-11-15 00:00', '2025-12-15 00:00'),
    ('month@31', '2026-03-30 12:00', '2026-01-31 00:00', '2026-02-28 00:00'),
    ('year', '2026-01-01 00:00', '2025-01-01 00:00', '2026-01-01 00:00'),
    ('year@6', '2026-05-31 12:00', '2024-06-01 00:00', '2025-06-01 00:00')])
def test_last(text, now, begin, end):
    moment = datetime.datetime.fromisoformat
    assert periods.last(text, moment(now)) == (moment(begin), moment(end))


@pytest.mark.parametrize('text', ['', 'week', 'month@', 'month@32', 'day@24', 'hour@x', 'year@0'])
def test_what_is_no_period(text):
    with pytest.raises(exception.InvalidConfigurationValue, match='expected hour, day, month'):
        periods.last(text, datetime.datetime(2026, 1, 1))
