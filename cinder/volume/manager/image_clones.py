# SPDX-License-Identifier: Apache-2.0
"""The storage of a new volume that becomes a clone of the volume of an image: it need not be
created empty before. If there is nothing to clone after all, it is created empty."""
from typing import cast

from cinder import objects
from cinder.db import operations as operations_db
from cinder.volume import driver as driver_api
from cinder.volume.driver_types import Fields
from cinder.volume.host import backend as backends
from cinder.volume.host import locks, space_needs, trash_room
from cinder.volume.manager.task import Task

# Arguments of an operation: the volume will be cloned, so it was not created, or its storage was
# removed; it was created empty since.
EXPECTED, _CREATED = 'cached', 'created_empty'


def clone(backend: backends.Backend, work: Task[objects.Volume], source: objects.Volume) -> Fields:
    """Make the volume a clone of the one that has the data of its image.

    :returns: columns of the volume.
    :raises NotYet: the trash makes room for it.
    """
    make_room(backend, work, source)
    with locks.read_lock(source), work.driver():
        if _has_storage(work):
            # Another attempt may not find the source any more.
            operations_db.add_arguments(work.ctxt, work.operation,
                                        **{EXPECTED: True, _CREATED: False})
        # What an empty creation or an interrupted attempt left has the same name.
        backend.driver.delete_volume(work.resource)
        return cast(driver_api.ClonesVolumes, backend.driver).create_cloned_volume(
            work.resource, source) or {}


def create_empty(backend: backends.Backend, work: Task[objects.Volume]) -> Fields:
    """Create the volume if its creation has left that to a clone.

    :returns: columns of the volume.
    :raises NotYet: the trash makes room for it.
    """
    if EXPECTED not in work.operation.arguments:
        return {}
    make_room(backend, work)
    with work.driver():
        made = backend.driver.create_volume(work.resource)
    if not _has_storage(work):
        operations_db.add_arguments(work.ctxt, work.operation, **{_CREATED: True})
    return made


def make_room(backend: backends.Backend, work: Task[objects.Volume],
              source: objects.Volume | None = None) -> None:
    """Wait until the trash leaves room for the volume, unless it has its storage already.

    :param source: volume that it will be a clone of.
    :raises NotYet: the trash makes room for it.
    """
    needs: list[space_needs.Need] = []
    if not _has_storage(work):
        needs += space_needs.of_new_volumes(work.ctxt, backend.driver, work.resource)
    if source is not None:
        needs += space_needs.of_clone_source(backend.driver, work.resource, source)
    trash_room.make_room(work.ctxt, backend, work.operation, needs)


def _has_storage(work: Task[objects.Volume]) -> bool:
    arguments = work.operation.arguments
    return EXPECTED not in arguments or bool(arguments.get(_CREATED))
