# SPDX-License-Identifier: Apache-2.0
"""What a filter is: it says of one pool why it cannot take one volume, or nothing.

One file per filter; which of them run is the option scheduler_default_filters.
"""
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from oslo_config import cfg

if TYPE_CHECKING:
    from cinder import objects
    from cinder.scheduler.host_manager import Pool


class Reason(NamedTuple):
    """Why a pool is refused.

    `words` may be shown to the tenant, so they name no host, amount or key that he did not give;
    `detail` is for the operator's log.
    """

    words: str
    detail: str = ''


class BaseFilter:
    """Base of all filters.

    :param conf: options; a filter reads its own here, once.
    """

    # Whether the answer depends on the volume type alone, so that a list of the pools that fit
    # a type can be made with it.
    about_type: ClassVar[bool] = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def refuse(self, pool: 'Pool', spec: 'objects.RequestSpec') -> Reason | None:
        """Why `pool` cannot take the volume of `spec`, or None when it can."""
        return None


def extra_specs(spec: 'objects.RequestSpec') -> dict[str, str]:
    """The extra specs of the wanted type; empty without a type."""
    volume_type = spec.get('volume_type')
    return (volume_type and volume_type.get('extra_specs')) or {}
