# SPDX-License-Identifier: Apache-2.0
"""Checks of the layout of images, each in a process of its own, which test_rbd_features.py starts:
`python -m tests.functional.rbd_layout CHECK OPTIONS WANTED`, the last two as JSON."""
import json
import sys
from typing import Any

from cinder import exception
from cinder.brick.ceph import mirror
from cinder.conf import CONF
from tests import rbd_storage
from tests.fakes import volumes

LAYERING, STRIPES, LOCK, MAP, DIFF, FLATTEN, JOURNAL, DATA = 1, 2, 4, 8, 16, 32, 64, 128
ALL = LAYERING | LOCK | MAP | DIFF
PLAIN = volumes.VolumeType()
SHARED = volumes.VolumeType(extra_specs={'multiattach': '<is> True'})


def layout(driver: Any, volume: Any) -> tuple[int, int, int]:
    """Return the features of an image, the size and the number of its stripes."""
    def look(pool: Any) -> tuple[int, int, int]:
        with pool.image(volume.name, read_only=True) as opened:
            return (opened.features() & (LAYERING | STRIPES | LOCK | MAP | DIFF | JOURNAL | DATA),
                    opened.stripe_unit(), opened.stripe_count())
    return driver.run(look)


def new_images(options: dict[str, Any], features: int, *stripes: int) -> None:
    driver = rbd_storage.driver(**options)
    volume, copy = volumes.volume(volume_type=PLAIN), volumes.volume(volume_type=PLAIN)
    driver.create_volume(volume)
    driver.create_cloned_volume(copy, volume)
    assert layout(driver, copy) == layout(driver, volume) == (features, *stripes)
    driver.retype(volume, SHARED)
    volume.multiattach, volume.volume_type = True, SHARED
    assert layout(driver, volume)[0] == features & ~(LOCK | MAP | DIFF | JOURNAL)
    driver.retype(volume, PLAIN)
    assert layout(driver, volume) == (features, *stripes)
    assert driver.get_volume_stats(refresh=True)['pools'][0]['free_capacity_gb'] > 0
    for each in (copy, volume):
        driver.delete_volume(each)


def refused(options: dict[str, Any]) -> None:
    try:
        rbd_storage.driver(**options)
    except exception.VolumeBackendAPIException as exc:
        assert 'check_for_setup_error: ' in str(exc), exc
    else:
        raise AssertionError('it starts')


def mirroring(options: dict[str, Any]) -> None:
    driver, volume = rbd_storage.driver(**options), volumes.volume()
    driver.create_volume(volume)

    def mirrored(pool: Any) -> tuple[int, object]:
        pool.rbd('mirror_mode_set', pool.module.RBD_MIRROR_MODE_IMAGE)
        try:
            mirror.enable(pool, volume.name, mirror.JOURNAL)
            return layout(driver, volume)[0], mirror.disable(pool, volume.name)
        finally:
            pool.rbd('mirror_mode_set', pool.module.RBD_MIRROR_MODE_DISABLED)
    assert driver.run(mirrored)[0] == LAYERING | LOCK | JOURNAL
    assert layout(driver, volume)[0] & JOURNAL == 0
    driver.delete_volume(volume)


CHECKS = {each.__name__: each for each in (new_images, refused, mirroring)}


if __name__ == '__main__':
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    CHECKS[sys.argv[1]](json.loads(sys.argv[2]), *json.loads(sys.argv[3]))
    print('checked')
