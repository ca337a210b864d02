# SPDX-License-Identifier: Apache-2.0
"""Errors of filters and weighers: the first one of each is logged, and what could not look up its
values for a decision is kept with the request. survey and weights handle the others."""
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from oslo_log import log as logging

from cinder import context, exception, failures

if TYPE_CHECKING:
    from cinder import objects

LOG = logging.getLogger(__name__)
# Names of the filters and weighers whose error was logged.
_logged: set[str] = set()
# Name in RequestSpec.facts of those that could not be prepared -> why.
_UNPREPARED = 'unprepared'


class Plugin(Protocol):
    """A filter or weigher."""

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        """Look up what a decision needs."""


def name_of(plugin: object) -> str:
    """Return the name of a filter or weigher in texts: that of the class, unless it has another."""
    return getattr(plugin, 'name', type(plugin).__name__)


def log_once(plugin: object, text: str, *args: object) -> None:
    """Log the exception that is being handled, unless an error of this filter or weigher was
    logged."""
    if name_of(plugin) not in _logged:
        _logged.add(name_of(plugin))
        LOG.exception(f'%s {text}', name_of(plugin), *args)


def prepare(plugins: Iterable[Plugin], ctxt: context.RequestContext,
            spec: 'objects.RequestSpec') -> None:
    """Let filters and weighers look up what they need for a decision.

    :raises ServiceUnavailable: the database cannot be read now.
    """
    spec.facts = {}
    for plugin in plugins:
        try:
            plugin.prepare(ctxt, spec)
        except exception.ServiceUnavailable:
            raise
        except Exception as error:  # a plugin can raise anything
            log_once(plugin, 'cannot look up what it needs for a decision.')
            spec.facts.setdefault(_UNPREPARED, {})[name_of(plugin)] = failures.one_line(error)


def unprepared(spec: 'objects.RequestSpec') -> Mapping[str, str]:
    """Return the names of the filters and weighers that prepare() could not prepare, and why."""
    found: Mapping[str, str] = (spec.get('facts') or {}).get(_UNPREPARED, {})
    return found
