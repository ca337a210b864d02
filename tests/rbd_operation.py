# SPDX-License-Identifier: Apache-2.0
"""Operations of RBDDriver that are interrupted and repeated: what is there before them, and what
there is in the end. On a fake of librbd they fail at each call; in processes that are killed they
run on a cluster. `python -c 'from tests import rbd_operation; rbd_operation.main(ARGUMENT)'` is
such a process."""

import json
import sys
import time

from cinder.volume.drivers.trash_names import kept
from tests import rbd_storage
from tests.fakes import volumes
from tests.unit.volume import driver_contract as contract

ROLES = ('source', 'snapshot', 'clone', 'new', 'taken')


class Operation:
    """:param names: role -> name of its resource, for one that another process has prepared"""

    def __init__(self, storage, names=None):
        self.storage, self.driver = storage, storage.driver
        self.source, self.clone, self.new = (volumes.volume(size) for size in (1, 1, 2))
        self.snapshot, self.taken = (volumes.snapshot(self.source) for _ in range(2))
        for role, name in (names or {}).items():
            getattr(self, role).name = name

    def names(self):
        return {role: getattr(self, role).name for role in ROLES}

    def prepare(self):
        """A volume with a snapshot and a clone."""
        self.driver.create_volume(self.source)
        self.storage.write(self.source, contract.ONE)
        self.driver.create_snapshot(self.snapshot)
        self.driver.create_cloned_volume(self.clone, self.source)
        return self

    def create(self):
        self.driver.create_volume(self.new)

    def from_snapshot(self):
        self.driver.create_volume_from_snapshot(self.new, self.snapshot)

    def clone_volume(self):
        self.driver.create_cloned_volume(self.new, self.source)

    def extend(self):
        self.driver.extend_volume(self.source, 3)

    def take_snapshot(self):
        self.driver.create_snapshot(self.taken)

    def delete_snapshot(self):
        self.driver.delete_snapshot(self.snapshot)

    def revert(self):
        self.driver.revert_to_snapshot(self.source, self.snapshot)

    def manage(self):
        self.driver.manage_existing(self.new, {'source-name': self.clone.name})

    def delete_clone(self):
        self.driver.delete_volume(self.clone)

    def delete_source(self):
        self.driver.delete_snapshot(self.snapshot)
        self.driver.delete_volume(self.source)

    def delete_both(self):
        """The source in the trash goes with its clone."""
        self.delete_source()
        self.driver.delete_volume(self.clone)

    def trash_source(self):
        self.driver.trash_snapshot(self.snapshot)
        self.driver.trash_volume(self.source)

    def restore_source(self):
        self.trash_source()
        self.driver.restore_trashed_volume(self.source)
        self.driver.restore_trashed_snapshot(self.snapshot)

    def purge_source(self):
        """It stays in the trash of the pool, for its clone."""
        self.trash_source()
        self.driver.purge_trashed_snapshot(self.snapshot)
        self.driver.purge_trashed_volume(self.source)

    def purge(self):
        """Remove what is left in the trash of the pool."""
        self.driver._next_purge = 0
        self.driver._kept.clear()
        self.driver.purge_deleted()

    def state(self):
        """What there is, with its size and data, by role."""
        known = {name: role for role, name in self.names().items()}
        known |= {kept(name): f'{role} in the trash' for name, role in known.items()}

        def look(pool):
            found = []
            for each in pool.rbd('list2'):
                with pool.image(each['name'], read_only=True) as image:
                    found.append((known.get(each['name'], each['name']), image.size(),
                                  image.read(0, len(contract.ONE)),
                                  [known.get(one['name'], 'other') for one in image.list_snaps()]))
            found += [('trash', known.get(each['name'])) for each in pool.rbd('trash_list')]
            return sorted(found, key=str)
        return self.driver.run(look)


NAMES = [name for name in vars(Operation)
         if not name.startswith('_') and name not in ('names', 'prepare', 'purge', 'state')]


def main(argument):
    """Tell when the cluster is connected to and, when it is done, how long the operation took.

    :param argument: JSON: options of the back end, name of the operation, names of its resources
    """
    options, name, names = json.loads(argument)
    operation = Operation(rbd_storage.RBDStorage(**options), names)
    operation.driver.get_volume_stats(refresh=True)
    print('ready', flush=True)
    began = time.monotonic()
    getattr(operation, name)()
    print(time.monotonic() - began, flush=True)
    sys.exit(0)
