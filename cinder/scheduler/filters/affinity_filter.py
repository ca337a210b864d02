# SPDX-License-Identifier: Apache-2.0
"""Selects pools by the places of other volumes: the hints same_host, different_host and group.

The volumes are those of the project of the new volume; others are ignored as if they did not
exist.
"""
import uuid
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from cinder import context, exception, host_names
from cinder.db import backend_volumes
from cinder.db import groups as groups_db
from cinder.scheduler import filters
from cinder.scheduler.pools import test_in

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


def _ids(value: object) -> list[str]:
    """Return the ids of a hint, which is one id or a list, in the form of the database."""
    found: Iterable = value if isinstance(value, (list, tuple)) else [value] if value else ()
    return [str(uuid.UUID(str(each))) for each in found if each]


class _AffinityFilter(filters.BaseFilter):
    """Look up the places of the volumes that a hint names."""

    about_place = True
    hint = ''

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        ids = _ids((spec.get('scheduler_hints') or {}).get(self.hint))
        if ids:
            spec.facts[self.hint] = set(backend_volumes.places_of(
                ctxt, ids, spec.volume.project_id if spec.get('volume') else ctxt.project_id))

    def _places(self, spec: 'objects.RequestSpec') -> set[str] | None:
        """Return the places of the volumes; None: the request does not have the hint."""
        return (spec.get('facts') or {}).get(self.hint)


class SameBackendFilter(_AffinityFilter):
    """Select the pools that hold a volume of the hint same_host, and the back end of the group of
    the hint group."""

    hint = 'same_host'
    hints = ('same_host', 'group')

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        super().prepare(ctxt, spec)
        group_id = (spec.get('scheduler_hints') or {}).get('group')
        if group_id:
            spec.facts['group'] = _place_of_group(ctxt, group_id, spec)

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        return self.refuser(spec)(pool)

    def refuser(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], filters.Reason | None]:
        tests = []
        places, group = self._places(spec), (spec.get('facts') or {}).get('group')
        if places is not None:
            tests.append((test_in(places), filters.Reason(
                'holds none of the volumes of the hint same_host',
                f'they are on {_list(places)}')))
        if group is not None:
            tests.append((test_in([group]), filters.Reason(
                'does not hold the group of the hint group',
                f'it is on {group}' if group else 'it has no place')))
        return lambda pool: next((reason for is_there, reason in tests if not is_there(pool)), None)

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        if not (spec.get('facts') or {}).keys() & set(self.hints):
            return None
        refuse = self.refuser(spec)
        return lambda pool: refuse(pool) is None


class DifferentBackendFilter(_AffinityFilter):
    """Exclude the pools that hold a volume of the hint different_host."""

    hint = 'different_host'
    hints = ('different_host',)

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        return self.refuser(spec)(pool)

    def refuser(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], filters.Reason | None]:
        places = self._places(spec) or ()
        is_there, reason = test_in(places), filters.Reason(
            'holds a volume of the hint different_host', f'they are on {_list(places)}')
        return lambda pool: reason if is_there(pool) else None

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        places = self._places(spec) or ()
        is_there = test_in(places)
        return (lambda pool: not is_there(pool)) if places else None


def _list(places: Collection[str] | None) -> str:
    return ', '.join(sorted(places or ())) or 'no pool'


def _place_of_group(ctxt: context.RequestContext, group_id: str,
                    spec: 'objects.RequestSpec') -> str:
    """Return the back end of a group of the same project; '': there is none."""
    try:
        group = groups_db.get(ctxt.elevated(), group_id)
    except exception.GroupNotFound:
        return ''
    if spec.get('volume') and group.project_id != spec.volume.project_id:
        return ''
    return host_names.backend_of(group.cluster_name or group.host) or ''
