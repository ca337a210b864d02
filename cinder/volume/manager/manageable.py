# SPDX-License-Identifier: Apache-2.0
"""Lists of what a back end can manage: pages of a list, and the entry that a reference names."""
import json
from collections.abc import Sequence

from cinder import exception
from cinder.i18n import _

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


def pick(entries: Sequence[dict], reference: dict, mine: str) -> dict:
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


def require(driver: object, capability: type, what: str) -> None:
    """:raises InvalidInput: the driver does not have the capability"""
    if not isinstance(driver, capability):
        raise exception.InvalidInput(
            reason=_('driver %(driver)s cannot manage existing %(what)s')
            % {'driver': type(driver).__name__, 'what': what})
