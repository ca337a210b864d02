# SPDX-License-Identifier: Apache-2.0
"""Base of the filters. A filter returns the reason why a pool cannot take a volume, or None.

One file per filter; the option scheduler_default_filters selects those that run.
"""
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from oslo_config import cfg

from cinder import context

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class Reason(NamedTuple):
    """Why a pool is refused.

    `words` is shown to the tenant: it contains no host, amount or key that the tenant did not
    give. `text` is for the operator: a text, or a function that returns it from values that do not
    change, because few of the texts of 10,000 refusals are read.
    """

    words: str
    text: str | Callable[[], str] = ''

    @property
    def detail(self) -> str:
        """The text for the operator."""
        return self.text if isinstance(self.text, str) else self.text()


class BaseFilter:
    """Base of all filters.

    :param conf: options; a filter reads its own once, in the constructor.
    """

    # Whether the result depends on the volume type alone. Such filters also select the pools that
    # fit a type in a list.
    about_type: ClassVar[bool] = False
    # Whether the result depends on where the pool is and on the request alone. Such filters run
    # first, and before it is found out whether a pool may have more space later.
    about_place: ClassVar[bool] = False
    # The scheduler hints that it reads.
    hints: ClassVar[tuple[str, ...]] = ()
    # Whether the constructor has the argument `conf`.
    takes_options: ClassVar[bool] = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def prepare(self, ctxt: context.RequestContext, spec: 'objects.RequestSpec') -> None:
        """Put what a decision needs from the database or from other services into `spec.facts`.

        It is called once for a decision, before the pools are locked. If it raises, the decision
        uses no pool.
        """

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> Reason | None:
        """Return why `pool` cannot take the volume of `spec`; None if it can."""
        return None

    def refuser(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], Reason | None]:
        """Return refuse() for one request; a filter overrides it to read the request once."""
        return lambda pool: self.refuse(pool, spec)

    def test(self, spec: 'objects.RequestSpec') -> Callable[['Pool'], bool] | None:
        """Return a function that tells whether a pool passes, for one decision; None: all do.

        A decision calls it for each pool, and refuse() only for the pools whose refusal is
        explained: both must agree. A filter whose refuse() builds a text overrides it.
        """
        return lambda pool: self.refuse(pool, spec) is None


def __getattr__(name: str) -> Any:
    """Return the base class of filters that were written for the original, by its names there."""
    if name not in ('BaseBackendFilter', 'BaseHostFilter'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from cinder.scheduler.filters import original
    return original.BaseBackendFilter


def extra_specs(spec: 'objects.RequestSpec') -> dict[str, str]:
    """Return the extra specs of the requested type; empty without a type."""
    volume_type = spec.get('volume_type')
    return (volume_type and volume_type.get('extra_specs')) or {}
