# SPDX-License-Identifier: Apache-2.0
"""Selects pools whose capabilities match the extra specs of the volume type."""
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cinder.scheduler import filters
from cinder.scheduler.filters import extra_specs_ops

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool

SCOPE = 'capabilities'
MISSING = object()


class CapabilitiesFilter(filters.BaseFilter):
    """Match unscoped keys and keys with the scope `capabilities`; drivers read other scopes."""

    about_type = True

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> filters.Reason | None:
        return refusal(pool.capabilities, filters.extra_specs(spec), 'volume type')

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        return super().test(spec) if any(map(_path, filters.extra_specs(spec))) else None


def refusal(capabilities: Mapping, specs: Mapping[str, str], asker: str) -> filters.Reason | None:
    """Return why the capabilities do not match the specs; None if they do.

    :param asker: what has the specs, for the message: 'volume type' or 'group type'.
    """
    for key, wanted in specs.items():
        path = _path(key)
        if path is None:
            continue
        found = _lookup(capabilities, path)
        if found is MISSING or not _fits(path, found, wanted):
            reported = 'it reports none' if found is MISSING else f'it is {found}'
            return filters.Reason(f'does not offer what the {asker} asks for',
                                  f'{key} must be {wanted}, and {reported}')
    return None


def _path(key: str) -> list[str] | None:
    """Return the path of a key in the capabilities; None for a key with another scope."""
    scope, *inner = key.split(':')
    if not inner:
        return [scope]
    return inner if scope == SCOPE else None


def _lookup(capabilities: Mapping, path: list[str]) -> object:
    found: object = capabilities
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return MISSING
        found = found[name]
    return MISSING if found is None else found


def _fits(path: list[str], found: object, wanted: str) -> bool:
    if path == ['storage_protocol']:
        found, wanted = _protocols(found), _protocol(str(wanted))
    return extra_specs_ops.match(found, wanted)


def _protocols(found: object) -> object:
    if isinstance(found, (list, tuple, set)):
        return [_protocol(str(one)) for one in found]
    return _protocol(str(found))


def _protocol(name: str) -> str:
    """Normalize the name of a protocol: drivers report iSCSI and iscsi, NVMe-oF and nvmeof, FC and
    fibre_channel. Operators such as <in> are not changed."""
    return ' '.join(word if word.startswith('<') else
                    re.sub('[-_]', '', word.lower()).replace('fibrechannel', 'fc')
                    for word in name.split())
