# SPDX-License-Identifier: Apache-2.0
"""The list filters that non-administrators may use: those of the file, or the built-in ones.

The option resource_query_filters_file names the file, which is read once per process.
"""
import functools
import json

from oslo_log import log as logging

from cinder.conf import CONF

LOG = logging.getLogger(__name__)

BUILT_IN = {
    'volume': ('name', 'status', 'metadata', 'bootable', 'migration_status',
               'availability_zone', 'group_id', 'size', 'created_at', 'updated_at',
               'consumes_quota'),
    'backup': ('name', 'status', 'volume_id'),
    'snapshot': ('name', 'status', 'volume_id', 'metadata', 'availability_zone',
                 'consumes_quota'),
    'group': ('name',),
    'group_snapshot': ('name', 'status', 'group_id'),
    'attachment': ('volume_id', 'status', 'instance_id', 'attach_status'),
    'message': ('resource_uuid', 'resource_type', 'event_id', 'request_id', 'message_level'),
    'pool': ('name', 'volume_type'),
    'volume_type': ('is_public', 'extra_specs'),
}


@functools.cache
def load_file(path: str) -> dict[str, tuple[str, ...]]:
    """Return resource -> filters of a JSON file; the built-in ones if it is missing or invalid."""
    try:
        return _read(path)
    except FileNotFoundError:
        return BUILT_IN
    except (OSError, ValueError) as exc:
        LOG.warning('resource_query_filters_file %s cannot be used; using the built-in filters: '
                    '%s', path, exc)
        return BUILT_IN


def _read(path: str) -> dict[str, tuple[str, ...]]:
    """:raises OSError, ValueError: the file cannot be read, or has another form."""
    with open(path, encoding='utf-8') as stream:
        found = json.load(stream)
    if not isinstance(found, dict) or not all(
            isinstance(names, list) and all(isinstance(name, str) for name in names)
            for names in found.values()):
        raise ValueError('expected {"RESOURCE": ["FILTER", ...], ...}')
    return {name: tuple(names) for name, names in found.items()}


def unusable_reason(path: str) -> str | None:
    """Return why a file cannot be used; None if it can, or does not exist."""
    try:
        _read(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as exc:
        return f'{getattr(exc, "strerror", None) or exc}.'
    return None


def all_filters() -> dict[str, tuple[str, ...]]:
    """Return resource -> filters of the configured file."""
    return load_file(CONF.resource_query_filters_file)


def allowed_filters(resource: str) -> tuple[str, ...]:
    """Return the filters of one resource; empty if the file does not have the resource."""
    return all_filters().get(resource, ())
