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

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


def _ids(value: object) -> list[str]:
    """Return the ids of a hint, which is one id or a list, in the form of the database."""
    found: Iterable = value if isinstance(value, (list, tuple)) else [value] if value else ()
    return [str(uuid.UUID(str(each))) for each in found if each]


class _AffinityFilter(filters.BaseFilter):
    """Look up the places of the volumes that a hint names."""

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
        places, group = self._places(spec), (spec.get('facts') or {}).get('group')
        if places is not None and not _is_at(pool, places):
            return filters.Reason(
                'holds none of the volumes of the hint same_host',
                f'they are on {_list(places)}')
        if group is not None and not pool.is_in(group):
            return filters.Reason('does not hold the group of the hint group',
                                  f'it is on {group}' if group else 'it has no place')
        return None

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        facts = spec.get('facts') or {}
        return super().test(spec) if facts.keys() & set(self.hints) else None


class DifferentBackendFilter(_AffinityFilter):
    """Exclude the pools that hold a volume of the hint different_host."""

    hint = 'different_host'
    hints = ('different_host',)

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        if not _is_at(pool, self._places(spec) or ()):
            return None
        return filters.Reason('holds a volume of the hint different_host',
                              f'they are on {_list(self._places(spec))}')

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        return super().test(spec) if self._places(spec) else None


def _is_at(pool: 'Pool', places: Collection[str]) -> bool:
    """Return whether one of the places is this pool: 'host@backend#pool' or 'host@backend', or its
    cluster."""
    return pool.name in places or pool.host in places or bool(pool.cluster_name and (
        pool.cluster_name in places or f'{pool.cluster_name}#{pool.pool_name}' in places))


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
