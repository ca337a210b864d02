# SPDX-License-Identifier: Apache-2.0
"""Periods of an audit, such as `month` or `day@6`: the last one that is complete."""
import datetime

from cinder import exception

# Unit -> the number after @ at which a period of it begins: minute, hour, day or month.
_UNITS = {'hour': range(60), 'day': range(24), 'month': range(1, 32), 'year': range(1, 13)}


def last(text: str, now: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """Return begin and end of the last complete period.

    :param text: hour, day, month or year, with or without @ and the minute, hour, day or month at
        which it begins
    :raises InvalidConfigurationValue: it is none of these
    """
    unit, _at, offset = text.partition('@')
    allowed = _UNITS.get(unit, range(0))
    first = int(offset) if offset.isdecimal() else allowed[0] if allowed and not _at else -1
    if first not in allowed:
        raise exception.InvalidConfigurationValue(
            f'volume_usage_audit_period = {text} is not valid; expected hour, day, month or year, '
            'or one of these with @ and a number, such as month@15')
    end = _begin(unit, first, now)
    return _begin(unit, first, end - datetime.timedelta(seconds=1)), end


def _begin(unit: str, first: int, now: datetime.datetime) -> datetime.datetime:
    """Return the begin of the period that contains a time."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == 'hour':
        begin = midnight.replace(hour=now.hour, minute=first)
        return begin if begin <= now else begin - datetime.timedelta(hours=1)
    if unit == 'day':
        begin = midnight.replace(hour=first)
        return begin if begin <= now else begin - datetime.timedelta(days=1)
    if unit == 'year':
        begin = midnight.replace(month=first, day=1)
        return begin if begin <= now else begin.replace(year=now.year - 1)
    begin = _day(midnight, first)
    return begin if begin <= now else _day(
        midnight.replace(day=1) - datetime.timedelta(days=1), first)


def _day(month: datetime.datetime, day: int) -> datetime.datetime:
    """Return a day of a month, or its last one if the month is shorter."""
    after = (month.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
    return month.replace(day=min(day, (after - datetime.timedelta(days=1)).day))
