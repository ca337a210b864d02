# SPDX-License-Identifier: Apache-2.0
"""Features of images: what ceph.conf gives to new ones, and what a volume type asks for: whether
several hosts may write to an image at a time, and the limits that librbd keeps on each host."""
from __future__ import annotations

from collections.abc import Mapping

from cinder.brick.ceph import errors
from cinder.brick.ceph.pool import Pool

# Feature -> its number, and the one that it needs.
_NEEDS = {'object-map': (8, 'exclusive-lock', 4), 'fast-diff': (16, 'object-map', 8),
          'journaling': (64, 'exclusive-lock', 4)}
LAYERING = 1
# Of librbd: with them one client has the lock of an image and all others wait for it. Each line
# needs the next one; the two of a line come and go together.
_EXCLUSIVE = (('RBD_FEATURE_JOURNALING',), ('RBD_FEATURE_FAST_DIFF', 'RBD_FEATURE_OBJECT_MAP'),
              ('RBD_FEATURE_EXCLUSIVE_LOCK',))
# Metadata of an image overrides the configuration of every client that opens it.
_LIMITS = 'conf_rbd_qos_'


def _numbers(pool: Pool) -> list[int]:
    return [sum(getattr(pool.module, name) for name in line) for line in _EXCLUSIVE]


def require_usable(pool: Pool, order: int) -> None:
    """Examine what ceph.conf, or the monitor, says of new images.

    :param order: binary logarithm of the size of their objects in bytes
    :raises Invalid: librbd refuses to create such images, or to clone them; with the reason
    :raises NotFound: the pool for their data does not exist
    """
    conf = pool.connection.rados.conf_get
    number = int(conf('rbd_default_features'))
    if not number & LAYERING:
        raise errors.Invalid(f'rbd_default_features = {number} in Ceph lacks layering '
                             f'({LAYERING}), without which a volume has no clones: add it')
    for name, (own, needed, missing) in _NEEDS.items():
        if number & own and not number & missing:
            raise errors.Invalid(f'rbd_default_features = {number} in Ceph has {name} ({own}) '
                                 f'without {needed} ({missing}), which it needs: add that')
    unit, count = (int(conf(f'rbd_default_stripe_{part}')) for part in ('unit', 'count'))
    if bool(unit) != bool(count) or unit and 2 ** order % unit:
        raise errors.Invalid(
            f'rbd_default_stripe_unit = {unit} and rbd_default_stripe_count = {count} in Ceph '
            f'do not fit rbd_store_chunk_size = {2 ** order // 2 ** 20}; expected neither, or '
            f'a unit that divides {2 ** order} bytes, and a count')
    pool.connection.pool(pool.data)


def share(pool: Pool, name: str) -> None:
    """Let several clients write to an image at a time."""
    with pool.image(name) as image:
        present = image.features()
        for number in _numbers(pool):
            if present & number:
                image.update_features(present & number, False)


def reserve(pool: Pool, name: str) -> None:
    """Undo share(): give an image the features that new ones have."""
    default = int(pool.connection.rados.conf_get('rbd_default_features'))
    with pool.image(name) as image:
        missing = default & ~image.features()
        for number in reversed(_numbers(pool)):
            if missing & number:
                image.update_features(missing & number, True)
        if missing & pool.module.RBD_FEATURE_OBJECT_MAP:
            # A new map knows nothing.
            image.rebuild_object_map()


def limit(pool: Pool, name: str, limits: Mapping[str, int]) -> None:
    """Set the limits of an image, and remove those that it had.

    :param limits: name of the limit after 'rbd_qos_' -> per second
    """
    with pool.image(name) as image:
        found = dict(image.metadata_list())
        for key in found:
            if key.startswith(_LIMITS) and key.removeprefix(_LIMITS) not in limits:
                image.metadata_remove(key)
        for key, value in limits.items():
            if found.get(_LIMITS + key) != str(value):
                image.metadata_set(_LIMITS + key, str(value))
