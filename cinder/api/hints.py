# SPDX-License-Identifier: Apache-2.0
"""The scheduler hints of a request to create a volume: refuses malformed ones, and warns of keys
that this API does not know. The filters of cinder.scheduler read hints."""
import json
from collections.abc import Mapping
from typing import Any

from cinder import exception, json_query
from cinder.api.schemas import volumes as schema

# HTTP has no header for warnings since RFC 9111 made Warning obsolete, so it is one of ours, with
# the prefix of the other headers of the API.
WARNING_HEADER = 'OpenStack-Volume-Warning'
WARNING = ('Scheduler hints of the request that this API does not know, as JSON strings. They have '
           'an effect only if a filter of the operator reads them; a user message of the volume '
           'names the hints that no filter reads.')
# Of one header: keys, and characters of each.
_MOST_KEYS, _LONGEST_KEY = 20, 64


def of_body(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the hints of a body that fits its schema; None: it has none.

    :raises InvalidInput: the query is malformed.
    """
    found = (body.get(key) for key in schema.HINT_KEYS)
    hints: dict[str, Any] | None = next((each for each in found if each), None)
    if hints and hints.get('query'):
        try:
            json_query.parse(hints['query'])
        except ValueError as error:
            raise exception.InvalidInput(reason=f'scheduler hint query: {error}') from None
    return hints


def warnings(hints: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the headers of a response to a request with these hints."""
    unknown = sorted(set(hints or ()) - set(schema.HINTS))
    if not unknown:
        return []
    # JSON has no characters outside of ASCII and no line breaks.
    shown = [json.dumps(key if len(key) <= _LONGEST_KEY else f'{key[:_LONGEST_KEY]}...')
             for key in unknown[:_MOST_KEYS]]
    more = len(unknown) - len(shown)
    return [(WARNING_HEADER, f'unknown scheduler hints: {", ".join(shown)}'
             + (f' and {more} more' if more else ''))]
