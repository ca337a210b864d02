# SPDX-License-Identifier: Apache-2.0
"""The endpoint of cinder-scheduler for questions of operators, which change nothing."""
from collections.abc import Callable

import oslo_messaging as messaging

from cinder import context, exception, objects
from cinder.scheduler import advice, what_if
from cinder.scheduler.filter_scheduler import FilterScheduler


class Questions:
    """Answers questions about decisions.

    :param driver: returns the scheduler driver of the present options.
    :param is_ready: returns whether the reports of the back ends are complete.
    """

    target = messaging.Target(version='1.2')

    def __init__(self, driver: Callable[[], FilterScheduler], is_ready: Callable[[], bool]) -> None:
        self._driver, self._is_ready = driver, is_ready

    @messaging.expected_exceptions(exception.CinderException)
    def what_if(self, ctxt: context.RequestContext, operation: objects.Operation,
                resource: objects.Volume | objects.Group) -> dict:
        """Return the decision on a request, see what_if.answer().

        :raises SchedulerSilent: this scheduler waits for the reports of back ends.
        """
        return what_if.answer(ctxt, self._ready_driver(), operation, resource)

    @messaging.expected_exceptions(exception.CinderException)
    def what_fits(self, ctxt: context.RequestContext, operation: objects.Operation,
                  resource: objects.Volume, count: int) -> dict:
        """Return how many volumes fit, see what_if.fill()."""
        spec = what_if.new_volume_spec(ctxt, operation, resource)
        return what_if.fill(ctxt, self._ready_driver(), spec, count)

    @messaging.expected_exceptions(exception.CinderException)
    def advise(self, ctxt: context.RequestContext, fill: int) -> dict:
        """Return which volumes to migrate, see advice.advise()."""
        return advice.advise(ctxt, self._ready_driver(), fill)

    def _ready_driver(self) -> FilterScheduler:
        if not self._is_ready():
            raise exception.SchedulerSilent(
                reason='it has started and waits for the reports of the back ends')
        return self._driver()
