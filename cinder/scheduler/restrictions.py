# SPDX-License-Identifier: Apache-2.0
"""Checks of every decision that no option turns off: where a request has failed, where the volume
is, where its source is. They have the interface of a filter."""
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.scheduler import filters
from cinder.scheduler.pools import test_in

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class TriedBefore(filters.BaseFilter):
    """Exclude the back ends on which the request has failed."""

    name = 'tried before'
    about_place = True

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        for entry in spec.get('tried') or ():
            if pool.is_in(entry['backend']):
                return failed_there(entry)
        return None

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        tried = [entry['backend'] for entry in spec.get('tried') or ()]
        is_there = test_in(tried)
        return (lambda pool: not is_there(pool)) if tried else None


class PresentPlace(filters.BaseFilter):
    """Exclude the pool that a volume is to leave."""

    name = 'present place'
    about_place = True

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        present = spec.get('present')
        if not present or not pool.is_in(present):
            return None
        why = spec.get('refused_in_place')
        return filters.Reason(f'the volume is there: {why}' if why else 'the volume is there')

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        present = spec.get('present')
        is_there = test_in([present or ''])
        return (lambda pool: not is_there(pool)) if present else None


class ResourceBackend(filters.BaseFilter):
    """Select the back end of the source of the volume."""

    name = 'resource_backend'
    about_place = True

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        return self.refuser(spec)(pool)

    def refuser(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], filters.Reason | None]:
        wanted = spec.get('resource_backend')
        if not wanted:
            return lambda _pool: None
        is_there = test_in([wanted])
        reason = filters.Reason('not where the source of the volume is', f'that is {wanted}')
        return lambda pool: None if is_there(pool) else reason

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        wanted = spec.get('resource_backend')
        return test_in([wanted]) if wanted else None


ALL = (TriedBefore, PresentPlace, ResourceBackend)


def failed_there(entry: dict) -> filters.Reason:
    """Return the reason to exclude a back end: an entry of `tried`, see RequestSpec."""
    return filters.Reason('a back end failed to create it', str(entry.get('reason') or ''))
