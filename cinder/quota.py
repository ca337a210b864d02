# SPDX-License-Identifier: Apache-2.0
"""Quota: checked in the transaction that writes the rows which use it.

Usage is counted from the rows while the project is locked, so no counter can drift.
"""
import collections
from collections.abc import Iterable, Sequence

from cinder import exception, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import quotas as quotas_db

# Quota name -> option with its default limit.
RESOURCES = {
    'volumes': 'quota_volumes', 'snapshots': 'quota_snapshots', 'gigabytes': 'quota_gigabytes',
    'backups': 'quota_backups', 'backup_gigabytes': 'quota_backup_gigabytes',
    'groups': 'quota_groups', 'per_volume_gigabytes': 'per_volume_size_limit',
}
PER_TYPE = quotas_db.PER_TYPE
UNLIMITED = -1


def default(name: str) -> int:
    """Return the limit in the configuration; quotas of a type have none (-1)."""
    option = RESOURCES.get(name)
    return getattr(CONF, option) if option else UNLIMITED


def deltas(volume_type: objects.VolumeType | None, **changes: int) -> dict[str, int]:
    """Return quota name -> amount to add, with the quotas of the type; amounts of 0 are left out.
    """
    found = {name: change for name, change in changes.items() if change}
    if volume_type is not None:
        found.update({f'{name}_{volume_type.name}': change for name, change in found.items()
                      if name in PER_TYPE})
    return found


def of_type(volume_type: objects.VolumeType, size: int) -> dict[str, int]:
    """Return the quotas that a volume of `size` GiB uses of its type alone."""
    return {f'volumes_{volume_type.name}': 1, f'gigabytes_{volume_type.name}': size}


def preview(ctxt: RequestContext, project_id: str,
            needed: dict[str, int]) -> dict[str, dict[str, int]]:
    """Return what is left of quotas after a request: name -> limit, used, needed, left; -1 is no
    limit.

    :param needed: quota name -> amount of the request.
    """
    state = quotas_db.limits_and_usage(ctxt, project_id, list(needed))
    found = {}
    for name, amount in needed.items():
        limit, used = effective(state, name), state.usage.get(name, 0)
        left = UNLIMITED if limit == UNLIMITED else limit - used - amount
        found[name] = {'limit': limit, 'used': used, 'needed': amount, 'left': left}
    return found


def check_new_volume(ctxt: RequestContext, size: int,
                     volume_type: objects.VolumeType | None) -> None:
    """Check the quota for one more volume of `size` GiB.

    :raises QuotaError: the project has too little quota.
    """
    check_limits(ctxt, ctxt.project_id, deltas(volume_type, volumes=1, gigabytes=size), size)


def check_new_snapshot(ctxt: RequestContext, project_id: str, size: int,
                       volume_type: objects.VolumeType | None) -> None:
    """Check the quota for one more snapshot of `size` GiB.

    :raises QuotaError: the project has too little quota.
    """
    gigabytes = 0 if CONF.no_snapshot_gb_quota else size
    check_limits(ctxt, project_id, deltas(volume_type, snapshots=1, gigabytes=gigabytes))


def check_new_backup(ctxt: RequestContext, size: int) -> None:
    """Check the quota for one more backup of `size` GiB.

    :raises QuotaError: the project has too little quota.
    """
    check_limits(ctxt, ctxt.project_id, {'backups': 1, 'backup_gigabytes': size})


def check_new_group(ctxt: RequestContext,
                    volumes: Iterable[tuple[int, objects.VolumeType | None]] = ()) -> None:
    """Check the quota for one more group with volumes of these (GiB, type).

    :raises QuotaError: the project has too little quota.
    """
    check_limits(ctxt, ctxt.project_id, collections.Counter(groups=1) + _total(volumes, 'volumes'))


def check_new_snapshots(ctxt: RequestContext, project_id: str,
                        snapshots: Iterable[tuple[int, objects.VolumeType | None]]) -> None:
    """Check the quota for snapshots of these (GiB, type), all or none.

    :raises QuotaError: the project has too little quota.
    """
    check_limits(ctxt, project_id, _total(snapshots, 'snapshots'))


def _total(rows: Iterable[tuple[int, objects.VolumeType | None]],
           name: str) -> collections.Counter[str]:
    total: collections.Counter[str] = collections.Counter()
    for size, volume_type in rows:
        gigabytes = 0 if name == 'snapshots' and CONF.no_snapshot_gb_quota else size
        total.update(deltas(volume_type, **{name: 1, 'gigabytes': gigabytes}))
    return total


def check_growth(ctxt: RequestContext, project_id: str, old: int, new: int,
                 volume_type: objects.VolumeType | None) -> None:
    """Check the quota for a volume that grows from `old` to `new` GiB.

    :raises QuotaError: the project has too little quota.
    """
    check_limits(ctxt, project_id, deltas(volume_type, gigabytes=new - old), new)


def check_transfer(ctxt: RequestContext, project_id: str, volume: objects.Volume,
                   snapshots: Sequence[objects.Snapshot]) -> None:
    """Check the quota for a volume and its snapshots that come from another project.

    Resources that count for no quota there count for none here.

    :raises QuotaError: the project has too little quota.
    """
    size = volume.size if volume.use_quota else 0
    counted = [snapshot for snapshot in snapshots if snapshot.use_quota]
    gigabytes = 0 if CONF.no_snapshot_gb_quota else sum(
        snapshot.volume_size for snapshot in counted)
    check_limits(ctxt, project_id, deltas(
        volume.volume_type, volumes=int(bool(volume.use_quota)), snapshots=len(counted),
        gigabytes=size + gigabytes), size)


def check_retype(ctxt: RequestContext, volume: objects.Volume,
                 new_type: objects.VolumeType) -> None:
    """Check the quota for a volume that gets another type.

    :raises QuotaError: the project has too little quota.
    """
    check_limits(ctxt, volume.project_id, of_type(new_type, volume.size))


def check_limits(ctxt: RequestContext, project_id: str, needed: dict[str, int],
                 volume_size: int = 0) -> None:
    """Check the limits of a project; call it within the transaction that writes the rows.

    :param needed: quota name -> amount to add.
    :param volume_size: GiB of the volume, checked against the limit of a single volume; 0 for none.
    :raises QuotaError: the subclass tells which limit.
    """
    names = [*needed, 'per_volume_gigabytes'] if volume_size else list(needed)
    quotas_db.lock(ctxt, project_id)
    state = quotas_db.limits_and_usage(ctxt, project_id, names)
    limits = {name: effective(state, name) for name in names}
    largest = limits.pop('per_volume_gigabytes', UNLIMITED)
    if UNLIMITED != largest < volume_size:
        raise exception.VolumeSizeExceedsLimit(size=volume_size, limit=largest)
    for name, limit in limits.items():
        used = state.usage.get(name, 0)
        if limit != UNLIMITED and used + needed[name] > limit:
            raise _overrun(name, needed[name], used, limit)


def effective(state: quotas_db.QuotaState, name: str) -> int:
    """Return the limit in force: that of the project, else of the default class, else of the
    option."""
    if name in state.project_limits:
        return state.project_limits[name]
    if CONF.use_default_quota_class and name in state.class_limits:
        return state.class_limits[name]
    return default(name)


def _overrun(name: str, wanted: int, used: int, limit: int) -> exception.QuotaError:
    if name.startswith('volumes'):
        return exception.VolumeLimitExceeded(name=name, allowed=limit)
    if name == 'backups':
        return exception.BackupLimitExceeded(allowed=limit)
    if name == 'backup_gigabytes':
        return exception.VolumeBackupSizeExceedsAvailableQuota(requested=wanted, quota=limit,
                                                               consumed=used)
    if name == 'groups':
        return exception.GroupLimitExceeded(allowed=limit)
    if name.startswith('snapshots'):
        return exception.SnapshotLimitExceeded(allowed=limit)
    return exception.VolumeSizeExceedsAvailableQuota(name=name, requested=wanted, quota=limit,
                                                     consumed=used)
