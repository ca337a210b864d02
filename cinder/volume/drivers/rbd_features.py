# SPDX-License-Identifier: Apache-2.0
"""What the type of a volume asks of its image: several hosts at a time (multiattach), and limits
that are enforced by the storage, that is by librbd on each host (QoS of the back end)."""
from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cinder import exception
from cinder.brick.ceph import features
from cinder.objects import qos
from cinder.volume.driver_types import Fields
from cinder.volume.drivers import rbd_replication
from cinder.volume.drivers.rbd_base import typed

if TYPE_CHECKING:
    from cinder.objects import Volume, VolumeType

# Key of QoS specs -> limit of librbd, as in the original.
LIMITS = {
    f'{kind}_{unit}_sec{suffix}': f'{"" if kind == "total" else f"{kind}_"}{name}_{limit}'
    for kind, (unit, name), (suffix, limit) in itertools.product(
        ('total', 'read', 'write'), (('iops', 'iops'), ('bytes', 'bps')),
        (('', 'limit'), ('_max', 'burst')))}


class Features(rbd_replication.Replication):
    """The part of RBDDriver that adapts images to types."""

    def replicate(self, volume: Volume) -> Fields:
        """Adapt the image of a new volume to its type, and mirror it if that is wanted."""
        self.adapt(volume)
        return super().replicate(volume)

    def adapt(self, volume: Volume) -> None:
        """Adapt the image of a new volume, which has the features that are usual."""
        if volume.multiattach:
            self._require_unmirrored(volume.volume_type)
            self.run(features.share, volume.name)
        limits = limits_of(volume.volume_type, volume.size)
        if limits:
            self.run(features.limit, volume.name, limits)

    def limit(self, volume: Volume, size: int) -> None:
        """Set the limits of a volume that has another size now."""
        limits = limits_of(volume.volume_type, size)
        if limits:
            self.run(features.limit, volume.name, limits)

    @typed
    def retype(self, volume: Volume, new_type: VolumeType) -> Fields:
        shared = new_type.is_('multiattach')
        if shared:
            self._require_unmirrored(new_type)
        limits = limits_of(new_type, volume.size)
        if volume.multiattach and not shared:
            self.run(features.reserve, volume.name, **self.layout)
        made = super().retype(volume, new_type)
        if shared and not volume.multiattach:
            self.run(features.share, volume.name)
        if limits or limits_of(volume.volume_type, volume.size):
            self.run(features.limit, volume.name, limits)
        return made

    def _require_unmirrored(self, volume_type: VolumeType) -> None:
        if self.wanted(volume_type):
            raise exception.InvalidInput(
                reason=f'volume type {volume_type.name} asks for replication and multiattach: '
                       'an image that is mirrored can be written to by one host only')


def limits_of(volume_type: VolumeType | None, size: int) -> dict[str, int]:
    """Return the limits that the type of a volume of `size` GiB wants from the storage.

    :raises InvalidInput: RBD cannot keep them
    """
    specs = volume_type.qos_specs if volume_type else None
    if not volume_type or not specs or specs.get('consumer') not in ('back-end', 'both'):
        return {}
    try:
        found = volume_type.qos_of(size)
        limits = {LIMITS[key]: int(value) for key, value in found.items() if key in LIMITS}
    except ValueError:
        said = qos.fault(specs['specs']) or 'a limit is no whole number'
        raise exception.InvalidInput(reason=f'the QoS specs of type {volume_type.name} cannot be '
                                            f'used: {said}') from None
    unknown = sorted(found.keys() - LIMITS.keys())
    # Of those for both, the hypervisor keeps the others.
    if unknown and specs['consumer'] == 'back-end':
        raise exception.InvalidInput(
            reason=f'the QoS specs of type {volume_type.name} have {", ".join(unknown)}, which RBD '
                   f'does not know; it knows {", ".join(LIMITS)}')
    return limits
