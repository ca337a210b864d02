# SPDX-License-Identifier: Apache-2.0
"""Selects the pools whose driver accepts the volume: the filter_function that they report."""
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.scheduler import evaluator, filters, statistics

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

FUNCTION = 'filter_function'


class DriverFilter(filters.BaseFilter):
    """Evaluate filter_function; a pool without one accepts all volumes."""

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        text = pool.capabilities.get(FUNCTION)
        if not text:
            return None
        names = statistics.of_pool(pool, statistics.of_request(spec))
        try:
            function = evaluator.compile_function(str(text))
            if function.run(names):
                return None
        except evaluator.FunctionError as error:
            return filters.Reason('the rule of its driver cannot be evaluated',
                                  f'{FUNCTION} {text}: {error}')
        values = function.values(names)
        return filters.Reason('its driver does not accept the volume',
                              f'{FUNCTION} {text} is false' + (values and f', with {values}'))

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        evaluate = statistics.Evaluation(spec)

        def passes(pool: 'Pool') -> bool:
            text = pool.capabilities.get(FUNCTION)
            try:
                return not text or bool(evaluate(text, pool))
            except evaluator.FunctionError:
                return False
        return passes
