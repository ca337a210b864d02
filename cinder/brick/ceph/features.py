# SPDX-License-Identifier: Apache-2.0
"""Features of images: what ceph.conf or an option gives to new ones, and what a volume type asks
for: whether several hosts may write to an image at a time, and the limits that librbd keeps on each
host."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cinder.brick.ceph import errors
from cinder.brick.ceph.pool import Pool

# What may be chosen -> its number in librbd. Other features follow from the striping, the pool and
# the state of an image.
NAMES = {'layering': 1, 'exclusive-lock': 4, 'object-map': 8, 'fast-diff': 16, 'deep-flatten': 32,
         'journaling': 64}
_NEEDS = {'object-map': 'exclusive-lock', 'fast-diff': 'object-map', 'journaling': 'exclusive-lock'}
# Of librbd: with them one client has the lock of an image and all others wait for it. Each line
# needs the next one; the two of a line come and go together.
_EXCLUSIVE = (('RBD_FEATURE_JOURNALING',), ('RBD_FEATURE_FAST_DIFF', 'RBD_FEATURE_OBJECT_MAP'),
              ('RBD_FEATURE_EXCLUSIVE_LOCK',))
# Metadata of an image overrides the configuration of every client that opens it.
_LIMITS = 'conf_rbd_qos_'


def _numbers(pool: Pool) -> list[int]:
    return [sum(getattr(pool.module, name) for name in line) for line in _EXCLUSIVE]


def layout(names: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of librbd's create(), clone() and deep_copy() for images with these
    features; those of ceph.conf have none."""
    return {'features': sum(NAMES.get(name, 0) for name in set(names))} if names else {}


def layout_of(pool: Pool, name: str) -> dict[str, Any]:
    """Return the same for images with the features of this one; none if it does not exist."""
    try:
        with pool.image(name, read_only=True) as image:
            return {'features': image.features() & sum(NAMES.values())}
    except errors.NotFound:
        return {}


def require_usable(pool: Pool, order: int, names: Sequence[str] = ()) -> None:
    """Examine what an option, ceph.conf or the monitor says of new images.

    :param order: binary logarithm of the size of their objects in bytes
    :param names: their features by the option; none: by ceph.conf
    :raises Invalid: librbd refuses to create such images, or to clone them; with the reason
    :raises NotFound: the pool for their data does not exist
    """
    conf = pool.connection.rados.conf_get
    unknown = sorted(set(names) - NAMES.keys())
    if unknown:
        raise errors.Invalid(f'rbd_features has {", ".join(unknown)}, which cannot be chosen; '
                             f'expected some of {", ".join(NAMES)}')
    if names:
        _require_complete(f'rbd_features = {",".join(names)}', layout(names)['features'])
    else:
        number = int(conf('rbd_default_features'))
        _require_complete(f'rbd_default_features = {number} in Ceph', number)
    unit, count = (int(conf(f'rbd_default_stripe_{part}')) for part in ('unit', 'count'))
    if bool(unit) != bool(count) or unit and 2 ** order % unit:
        raise errors.Invalid(
            f'rbd_default_stripe_unit = {unit} and rbd_default_stripe_count = {count} in Ceph '
            f'do not fit rbd_store_chunk_size = {2 ** order // 2 ** 20}; expected neither, or '
            f'a unit that divides {2 ** order} bytes, and a count')
    pool.connection.pool(pool.data)


def _require_complete(said: str, number: int) -> None:
    """Raise Invalid if features lack others that they, or volumes, need.

    :param said: where they are set, and how
    """
    if not number & NAMES['layering']:
        raise errors.Invalid(f'{said} lacks layering ({NAMES["layering"]}), without which a volume '
                             'has no clones: add it')
    for name, needed in _NEEDS.items():
        if number & NAMES[name] and not number & NAMES[needed]:
            raise errors.Invalid(f'{said} has {name} ({NAMES[name]}) without {needed} '
                                 f'({NAMES[needed]}), which it needs: add that')


def share(pool: Pool, name: str) -> None:
    """Let several clients write to an image at a time."""
    with pool.image(name) as image:
        present = image.features()
        for number in _numbers(pool):
            if present & number:
                image.update_features(present & number, False)


def reserve(pool: Pool, name: str, features: int | None = None) -> None:
    """Undo share(): give an image the features that new ones have.

    :param features: their numbers; None: those of ceph.conf
    """
    default = features or int(pool.connection.rados.conf_get('rbd_default_features'))
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
