# SPDX-License-Identifier: Apache-2.0
"""The clusters that have the volumes of a back end of RBD: its own one, and those of its options
replication_device. Options become sites, and wrong options sentences."""
from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinder.brick.ceph.cluster import Settings
from cinder.objects import states

if TYPE_CHECKING:
    from cinder.objects import Volume, VolumeType
    from cinder.volume.configuration import Configuration

PRIMARY = 'default'
# Key in replication_driver_data of a volume: the id of the site that has it, which may be another
# one than that of its back end. Its group has failed over, or it could not be moved with the back
# end, or it was in the trash at that time.
SITE = 'site'
KEYS = ('backend_id', 'conf', 'user', 'secret_uuid', 'pool')
# Extra specs of volume types.
ENABLED, MODE = 'replication_enabled', 'rbd:mirror_mode'
INTERVAL = 'rbd:mirror_snapshot_interval'
MODES = ('journal', 'snapshot')
_INTERVAL = re.compile(r'[1-9][0-9]*[mhd]')
DEFAULT_INTERVAL = '5m'


@dataclasses.dataclass(frozen=True)
class Site:
    """A pool of one of the clusters.

    :param backend_id: PRIMARY, or the backend_id of its option
    :param secret_uuid: of the secret of libvirt; None: the id of the cluster
    """

    backend_id: str
    settings: Settings
    pool: str
    secret_uuid: str | None


@dataclasses.dataclass(frozen=True)
class Mirror:
    """How a volume is mirrored.

    :param mode: one of MODES
    :param interval: between two mirror snapshots, such as '5m'; '' in mode journal
    """

    mode: str
    interval: str = ''


class WrongSpec(ValueError):
    """An extra spec has a value that it cannot have."""


def settings(configuration: Configuration) -> Settings:
    """Return how the cluster of a back end is reached."""
    return Settings(
        user=configuration.rbd_user or '', conf=configuration.rbd_ceph_conf,
        cluster_name=configuration.rbd_cluster_name,
        connect_timeout=configuration.rados_connect_timeout,
        timeout=configuration.rados_operation_timeout,
        retries=configuration.rados_connection_retries,
        interval=configuration.rados_connection_interval)


def sites(configuration: Configuration) -> dict[str, Site]:
    """Return id -> site; the primary first, the others in the order of the options."""
    own = settings(configuration)
    found = {PRIMARY: Site(PRIMARY, own, configuration.rbd_pool, configuration.rbd_secret_uuid)}
    for device in configuration.replication_device or ():
        name = device.get('backend_id', '')
        found.setdefault(name, Site(name, dataclasses.replace(
            own, user=device.get('user') or own.user, conf=conf_of(device), cluster_name=name),
            device.get('pool') or configuration.rbd_pool,
            device.get('secret_uuid') or configuration.rbd_secret_uuid))
    return found


def conf_of(device: dict[str, str]) -> str:
    """Return the path of ceph.conf of another cluster."""
    return device.get('conf') or f'/etc/ceph/{device.get("backend_id", "")}.conf'


def name_of(resource: Any) -> str | None:
    """Return the id of the site that has a volume or snapshot, None for that of its back end."""
    data = stored(getattr(resource, 'volume', resource))
    return data.get(SITE) or data.get(states.LEFT_ON)


def stored(volume: Volume) -> dict[str, Any]:
    """Return what is stored of the mirroring of a volume."""
    try:
        found = json.loads(getattr(volume, 'replication_driver_data', None) or '{}')
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def problems(configuration: Configuration) -> Iterator[str]:
    """Return the errors in the options replication_device."""
    seen = set()
    for device in configuration.replication_device or ():
        name = device.get('backend_id', '')
        shown = ','.join(f'{key}:{value}' for key, value in device.items())
        unknown = sorted(set(device) - set(KEYS))
        if not name:
            yield f'{shown} has no backend_id: name the other cluster.'
        elif name == PRIMARY:
            yield f'{shown} has the backend_id {PRIMARY}, which means the primary: use another.'
        elif name in seen:
            yield f'{shown} has a backend_id that another replication_device has: use another.'
        elif unknown:
            yield (f'{shown} has the unknown key {", ".join(unknown)}; expected: '
                   f'{", ".join(KEYS)}.')
        elif not os.access(conf_of(device), os.R_OK):
            yield (f'{shown}: the file {conf_of(device)} cannot be read; set conf to the ceph.conf '
                   f'of the cluster {name}.')
        seen.add(name)


def wanted(volume_type: VolumeType | None) -> Mirror | None:
    """Return how a type asks for volumes to be mirrored, None if it does not.

    :raises WrongSpec: an extra spec has a value that it cannot have
    """
    specs = (volume_type.extra_specs if volume_type else None) or {}
    if str(specs.get(ENABLED, '')).strip().lower() != '<is> true':
        return None
    mode, interval = specs.get(MODE) or MODES[0], specs.get(INTERVAL) or ''
    if mode not in MODES:
        raise WrongSpec(f'extra spec {MODE} = {mode}; expected {" or ".join(MODES)}')
    if interval and not _INTERVAL.fullmatch(interval):
        raise WrongSpec(f'extra spec {INTERVAL} = {interval}; expected a number of minutes, hours '
                        'or days, such as 5m, 2h or 1d')
    if interval and mode != 'snapshot':
        raise WrongSpec(f'extra spec {INTERVAL} = {interval} needs {MODE} = snapshot')
    return Mirror(mode, (interval or DEFAULT_INTERVAL) if mode == 'snapshot' else '')
