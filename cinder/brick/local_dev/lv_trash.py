# SPDX-License-Identifier: Apache-2.0
"""Logical volumes in the trash: each has another name there, and is neither active nor activated at
boot. The driver chooses the names, and removes what is in the trash like any other volume."""
from __future__ import annotations

from collections.abc import Callable

from cinder.brick.local_dev import reports, thick_lvm, thin_lvm

Group = thin_lvm.ThinLVM | thick_lvm.ThickLVM


def put(group: Group, name: str, kept: str, is_kept: Callable[[str], bool]) -> bool:
    """Rename a volume or snapshot to `kept`. If that is done already, or neither exists, it is a
    success; return False if neither exists.

    :param is_kept: whether a name is one in the trash
    :raises LVInUse: it is open, or has thick snapshots outside of the trash
    :raises LVExists: there are volumes of both names
    """
    found = _without_remains(group, name, kept)
    if name in found:
        _require_free(group, found[name], is_kept)
        if _is_active_alone(found[name]):
            # LVM refuses that if it has been opened by now.
            group.deactivate(name)
        group.rename(name, kept)
    volume = found.get(name) or found.get(kept)
    if volume and _is_active_alone(volume):
        group.skip_at_boot(kept)
    return volume is not None


def restore(group: Group, kept: str, name: str, activate: bool) -> None:
    """Rename a volume or snapshot in the trash to `name`, unless that is done already.

    :param activate: make its device appear, now and at boot
    :raises LVNotFound: there is neither
    :raises LVExists: there are volumes of both names
    """
    found = group.find(kept, name)
    if kept in found or name not in found:
        group.rename(kept, name)
    if activate:
        group.skip_at_boot(name, False)
        group.activate(name)


def _without_remains(group: Group, name: str, kept: str) -> dict[str, reports.LogicalVolume]:
    """Return those of both volumes that exist, and remove what an interrupted operation left of the
    first one."""
    remains = group.remains(name)
    found = group.find(name, kept, remains)
    rest = found.pop(remains, None)
    if rest and rest.pool and not found:
        # An interrupted revert had removed the volume, and this was to take its place.
        group.rename(remains, name)
        return {name: rest}
    if rest:
        group.delete(remains)
    return found


def _require_free(group: Group, volume: reports.LogicalVolume,
                  is_kept: Callable[[str], bool]) -> None:
    full = group.full_name(volume.name)
    if volume.is_open:
        raise reports.LVInUse(data=f'{full} is in use')
    if volume.has_thick_snapshots:
        others = sorted(each.name for each in group.group(refresh=True).volumes.values()
                        if each.origin == volume.name and not is_kept(each.name))
        if others:
            raise reports.LVInUse(data=f'{full} has snapshots: {", ".join(others)}')


def _is_active_alone(volume: reports.LogicalVolume) -> bool:
    """Return whether a volume may be active while others are not, and the other way round: a thick
    snapshot is active with its volume."""
    return not (volume.is_thick_snapshot or volume.has_thick_snapshots)
