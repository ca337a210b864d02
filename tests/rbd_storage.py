# SPDX-License-Identifier: Apache-2.0
"""RBDDriver with a way to the bytes of its images, for the contract of drivers: on a real cluster
in the functional tests, on tests/fakes/librbd.py in those of units."""

import contextlib
import time

from cinder.brick.ceph import errors
from cinder.conf import rbd as options_of_rbd
from cinder.volume.drivers import rbd
from tests.fakes import volumes
from tests.unit.volume import driver_contract as contract

GIB = 1024 ** 3
# Calls of librbd that take longer, the more images a pool has.
LISTS = {f'RBD.{name}' for name in ('list', 'list2', 'trash_list', 'group_list', 'pool_stats_get',
                                    'mirror_image_status_list', 'mirror_image_info_list',
                                    'mirror_image_instance_id_list')}


def options(**changes):
    """Return the options of a back end, as other drivers of the tests have them."""
    return volumes.options(**{
        'replication_device': None,
        **{option.dest: option.default for option in options_of_rbd.OPTS}, **changes})


def driver(**changes):
    """Return a driver that is set up.

    :param changes: options
    """
    made = rbd.RBDDriver(options(**changes))
    made.do_setup(None)
    made.check_for_setup_error()
    return made


class RBDStorage(contract.Storage):
    """:param changes: options"""

    def __init__(self, **changes):
        # What is promised is measured, for the contract.
        self.driver = driver(**{'rbd_exclusive_cinder_pool': False, **changes})

    def image_of(self, resource):
        """The name of the image and of the snapshot, if it is one."""
        owner = getattr(resource, 'volume', None)
        return (owner.name, resource.name) if owner else (resource.name, None)

    def write(self, resource, data):
        def work(pool):
            with pool.image(resource.name) as image:
                image.write(data, 0)
        self.driver.run(work)

    def read(self, resource, length):
        def work(pool):
            name, snapshot = self.image_of(resource)
            with pool.image(name, snapshot=snapshot, read_only=True) as image:
                return image.read(0, length)
        return self.driver.run(work)

    def size(self, resource):
        def work(pool):
            name, snapshot = self.image_of(resource)
            with pool.image(name, snapshot=snapshot, read_only=True) as image:
                return image.size() / GIB
        try:
            return self.driver.run(work)
        except errors.NotFound:
            return None

    def names(self):
        """Images, their snapshots, and what is in the trash."""
        return sorted(self.driver.run(_names))

    def foreign(self, name, size, data=b''):
        def work(pool):
            pool.rbd('create', name, int(size * GIB), 22)
            with pool.image(name) as image:
                image.write(data, 0)
        self.driver.run(work)

    def clear(self):
        """Remove everything, clones before what they are made of."""
        self.driver.run(_clear)


def _names(pool):
    found = [f'trash {each["name"]}' for each in pool.rbd('trash_list')]
    for each in pool.rbd('list2'):
        found.append(each['name'])
        with pool.image(each['name'], read_only=True) as image:
            found += [snapshot['name'] for snapshot in image.list_snaps()
                      if snapshot['namespace'] == 0]
    return found


def _clear(pool):
    for each in list(pool.rbd('trash_list')):
        pool.rbd('trash_restore', each['id'], f'restored-{each["id"]}')
    names, faults = [each['name'] for each in pool.rbd('list2')], []
    for attempt in range(50):
        if attempt > 10:
            # A client that was killed has an image open for a while.
            time.sleep(1)
        for name in names:
            try:
                # Of what a killed process has removed, the name may be left.
                with contextlib.suppress(errors.NotFound), pool.image(name) as image:
                    for snapshot in list(image.list_snaps()):
                        if snapshot['namespace'] == 0:
                            if image.is_protected_snap(snapshot['name']):
                                image.unprotect_snap(snapshot['name'])
                            image.remove_snap(snapshot['name'])
                pool.rbd('remove', name)
            except errors.CephError as exc:
                faults.append(str(exc))
        names = [each['name'] for each in pool.rbd('list2')]
        if not names:
            return
    raise AssertionError(f'left: {names}: {faults[-1:]}')
