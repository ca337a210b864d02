# SPDX-License-Identifier: Apache-2.0
"""Selects the pools that match the hint query; cinder.json_query has the language."""
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cinder import json_query
from cinder.scheduler import filters, statistics
from cinder.scheduler.evaluator.operators import plain

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

HINT = 'query'


class JsonFilter(filters.BaseFilter):
    """Evaluate the query; its variables are the values that the pool reports."""

    hints = (HINT,)

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        text = (spec.get('scheduler_hints') or {}).get(HINT)
        if not text:
            return None
        try:
            query = json_query.parse(text)
            matches = query.run(_reader(pool))
        except (ValueError, TypeError) as error:
            return filters.Reason('the query of the hint cannot be evaluated', str(error))
        if matches:
            return None
        values = ', '.join(f'{name} = {plain(_reader(pool)(name))}' for name in query.variables)
        return filters.Reason('does not match the query of the hint',
                              f'{text}' + (values and f', with {values}'))

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        text = (spec.get('scheduler_hints') or {}).get(HINT)
        if not text:
            return None
        try:
            query = json_query.parse(text)
        except ValueError:
            return lambda _pool: False

        def passes(pool: 'Pool') -> bool:
            try:
                return bool(query.run(_reader(pool)))
            except TypeError:
                return False
        return passes


def _reader(pool: 'Pool') -> json_query.Read:
    known = statistics.Statistics(pool)

    def read(path: str) -> object:
        found: object = known
        for name in path.split('.'):
            if not isinstance(found, Mapping) or name not in found:
                return None
            found = found[name]
        # A dictionary is no value of the language.
        return None if isinstance(found, Mapping) else found
    return read
