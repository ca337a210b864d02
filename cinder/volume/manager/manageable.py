# SPDX-License-Identifier: Apache-2.0
"""Lists of what a back end can manage: pages of a list, the entry that a reference names, and the
base of the endpoints."""
import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.db import backend_volumes
from cinder.db import snapshots as snapshots_db
from cinder.i18n import _
from cinder.volume.host import backend as backends
from cinder.volume.manager.task import Tasks

DEFAULT_SORT = (('reference', 'desc'),)


def _text(reference: dict) -> str:
    return json.dumps(reference, sort_keys=True)


_KEYS = {'reference': lambda entry: _text(entry['reference']),
         'size': lambda entry: entry['size']}


def page(entries: Sequence[dict], limit: int, offset: int, marker: dict | None,
         sort: Sequence[Sequence[str]] | None) -> list[dict]:
    """Return a page of the entries in the requested order.

    :param marker: reference of the last entry of the previous page.
    :param sort: (key, direction) pairs.
    :raises InvalidInput: no entry has the reference `marker`.
    """
    ordered = sorted(entries, key=_KEYS['reference'])
    for key, direction in reversed(sort or DEFAULT_SORT):
        ordered.sort(key=_KEYS[key], reverse=direction == 'desc')
    if marker is not None:
        references = [entry['reference'] for entry in ordered]
        if marker not in references:
            raise exception.InvalidInput(reason=_('marker %s was not found') % _text(marker)[:255])
        offset += references.index(marker) + 1
    return ordered[offset:offset + limit]


def find_entry(entries: Sequence[dict], reference: dict, mine: str) -> dict:
    """Return the entry that a reference names; keys that the driver does not use are ignored.

    :param mine: id of the volume or snapshot that manages it, perhaps since a former attempt.
    :raises ManageExistingInvalidReference, ManageExistingAlreadyManaged: it cannot be managed.
    """
    done = [entry for entry in entries if entry['cinder_id'] == mine]
    found = done or [entry for entry in entries
                     if entry['reference'].items() <= reference.items()]
    if not found:
        raise exception.ManageExistingInvalidReference(
            existing_ref=_text(reference), reason=_('the back end has nothing of that name'))
    if not done and found[0]['cinder_id']:
        raise exception.ManageExistingAlreadyManaged(volume_ref=_text(reference))
    if not done and not found[0]['safe_to_manage']:
        raise exception.ManageExistingInvalidReference(
            existing_ref=_text(reference), reason=found[0]['reason_not_safe'])
    return found[0]


_C = TypeVar('_C')


class Endpoint(Generic[_C]):
    """Base of the endpoints of what exists on one back end, managed or not.

    :cvar capability: the driver interface that lists it.
    :cvar what: its name, in the plural.
    """

    capability: type[_C]
    what: str

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.driver = backend, backend.driver
        self._task = Tasks(backend.runner)

    def _page(self, ctxt: RequestContext, **wanted: Any) -> list[dict]:
        """Return a page of what could be managed, with what is managed already; see page()."""
        self.backend.require_ready()
        return page(self._entries(ctxt), **wanted)

    def _entries(self, ctxt: RequestContext) -> list[dict]:
        """Return all entries of the driver.

        :raises InvalidInput: the driver does not have the capability.
        """
        place = self.backend.host, self.backend.sharing
        return self._ask_driver(backend_volumes.on_backend(ctxt, *place),
                                snapshots_db.on_backend(ctxt, *place))

    def _capable_driver(self) -> _C:
        """:raises InvalidInput: the driver does not have the capability"""
        if not isinstance(self.driver, self.capability):
            raise exception.InvalidInput(
                reason=_('driver %(driver)s cannot manage existing %(what)s')
                % {'driver': type(self.driver).__name__, 'what': self.what})
        return self.driver

    def _ask_driver(self, volumes: list[objects.Volume],
                    snapshots: list[objects.Snapshot]) -> list[dict]:
        """Ask the driver for all entries.

        :param volumes: those that are managed on the back end, and `snapshots` likewise.
        """
        raise NotImplementedError
