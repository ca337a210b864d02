# SPDX-License-Identifier: Apache-2.0
"""What must hold for every driver with a trash; see driver_contract.py."""
import re

import pytest

from cinder import exception
from cinder.volume import driver as capabilities
from tests.fakes import volumes
from tests.unit.volume.driver_contract import ONE, TWO


def is_snapshot(resource):
    return hasattr(resource, 'volume')


def put(storage, *resources):
    """Move them to the trash; what is done already is a success. Return whether each is there."""
    found = []
    for resource in resources:
        act = (storage.driver.trash_snapshot if is_snapshot(resource)
               else storage.driver.trash_volume)
        found += [act(resource) for _attempt in range(storage.ATTEMPTS)]
    return found


def restore(storage, *resources):
    for resource in resources:
        act = (storage.driver.restore_trashed_snapshot if is_snapshot(resource)
               else storage.driver.restore_trashed_volume)
        for _attempt in range(storage.ATTEMPTS):
            act(resource)


def purge(storage, *resources):
    for resource in resources:
        act = (storage.driver.purge_trashed_snapshot if is_snapshot(resource)
               else storage.driver.purge_trashed_volume)
        for _attempt in range(storage.ATTEMPTS):
            act(resource)


def doctor(storage, live=(), trashed=()):
    """What an audit finds, if these are all rows that there are."""
    for resource in live:
        resource.status = 'available'
    return storage.driver.audit(capabilities.Rows(
        [each for each in live if not is_snapshot(each)], list(filter(is_snapshot, live)), (), (),
        lambda name: '' if re.fullmatch('(volume|_?snapshot)-[0-9a-f-]{36}', name) else None,
        [each for each in trashed if not is_snapshot(each)],
        list(filter(is_snapshot, trashed))))


class KeepsTrashContract:
    def test_volume_and_snapshot_come_back_whole(self, storage):
        assert isinstance(storage.driver, capabilities.KeepsTrash) and storage.driver.has_trash
        volume = storage.volume(2, ONE)
        snapshot = storage.snapshot(volume)
        storage.write(volume, TWO)
        for order in ((volume, snapshot), (snapshot, volume)):
            assert all(put(storage, snapshot, volume))
            assert storage.size(volume) is None and storage.size(snapshot) is None
            assert len(storage.names()) == 2
            assert doctor(storage, trashed=[volume, snapshot]) == []
            restore(storage, *order)
            assert doctor(storage, live=[volume, snapshot]) == []
        assert (storage.size(volume), storage.size(snapshot)) == (2, 2)
        assert (storage.read(volume, 3000), storage.read(snapshot, 3000)) == (TWO, ONE)

    def test_a_snapshot_alone_goes_and_comes_while_its_volume_is_written(self, storage):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        put(storage, snapshot)
        storage.write(volume, TWO)
        assert doctor(storage, live=[volume], trashed=[snapshot]) == []
        restore(storage, snapshot)
        assert (storage.read(volume, 3000), storage.read(snapshot, 3000)) == (TWO, ONE)

    def test_a_volume_before_its_snapshot_is_as_in_a_delete(self, storage):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        try:
            put(storage, volume)
        except exception.VolumeIsBusy:
            with pytest.raises(exception.VolumeIsBusy):
                storage.driver.delete_volume(volume)
        else:
            assert storage.read(snapshot, 3000) == ONE
            put(storage, snapshot)
            restore(storage, snapshot, volume)
        assert (storage.read(volume, 3000), storage.read(snapshot, 3000)) == (ONE, ONE)

    @pytest.mark.parametrize('fate', [restore, purge])
    def test_what_was_made_of_them_stays(self, storage, fate):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        of_snapshot, of_volume, later = (volumes.volume() for _ in range(3))
        storage.driver.create_volume_from_snapshot(of_snapshot, snapshot)
        storage.driver.create_cloned_volume(of_volume, volume)
        put(storage, snapshot, volume)
        for clone in (of_snapshot, of_volume):
            assert storage.read(clone, 3000) == ONE
            storage.write(clone, TWO)
        fate(storage, snapshot, volume)
        if fate is restore:
            storage.driver.create_volume_from_snapshot(later, snapshot)
            assert storage.read(later, 3000) == ONE
            for resource in (volume, snapshot):
                assert storage.read(resource, 3000) == ONE
            # The other way to the end, after all that was made of it.
            for clone in (of_snapshot, of_volume, later):
                storage.driver.delete_volume(clone)
            put(storage, snapshot, volume)
            purge(storage, snapshot, volume)
        else:
            assert storage.read(of_snapshot, 3000) == storage.read(of_volume, 3000) == TWO
            for clone in (of_snapshot, of_volume):
                storage.driver.delete_volume(clone)
        assert storage.names() == []

    def test_a_purge_leaves_nothing_and_spares_what_is_not_in_the_trash(self, storage):
        volume = storage.volume(data=ONE)
        snapshot = storage.snapshot(volume)
        purge(storage, snapshot, volume)
        assert (storage.read(volume, 3000), storage.read(snapshot, 3000)) == (ONE, ONE)
        put(storage, snapshot, volume)
        before = storage.names()
        storage.driver.delete_volume(volume)
        storage.driver.delete_snapshot(snapshot)
        assert storage.names() == before
        purge(storage, snapshot, volume)
        assert storage.names() == []

    def test_what_is_nowhere(self, storage):
        volume = volumes.volume()
        assert not any(put(storage, volume, volumes.snapshot(volume),
                           volumes.snapshot(storage.volume())))
        purge(storage, volume, volumes.snapshot(volume))
        assert len(storage.names()) == 1
        for resource in (volume, volumes.snapshot(volume)):
            with pytest.raises(exception.VolumeBackendAPIException):
                restore(storage, resource)

    def test_nothing_is_overwritten(self, storage):
        volume = storage.volume(data=ONE)
        put(storage, volume)
        storage.driver.create_volume(volume)
        storage.write(volume, TWO)
        for act in (put, restore):
            with pytest.raises(exception.VolumeBackendAPIException):
                act(storage, volume)
            assert storage.read(volume, 3000) == TWO
        storage.driver.delete_volume(volume)
        restore(storage, volume)
        assert storage.read(volume, 3000) == ONE

    def test_it_is_counted_and_listed_nowhere(self, storage):
        def promised():
            pool, = storage.driver.get_volume_stats(refresh=True)['pools']
            return pool['provisioned_capacity_gb']

        before, volume = promised(), storage.volume(3)
        put(storage, volume)
        assert promised() - before == 3
        if isinstance(storage.driver, capabilities.ManagesVolumes):
            assert storage.driver.get_manageable_volumes([], []) == []
            name, = storage.names()
            with pytest.raises(exception.ManageExistingInvalidReference, match='in the trash'):
                storage.driver.manage_existing(volumes.volume(3), {'source-name': name})
            assert storage.names() == [name]
        purge(storage, volume)
        assert promised() == before

    def test_what_is_lost_or_left_is_told(self, storage):
        volume, other = storage.volume(), storage.volume()
        put(storage, other)
        assert [each.kind for each in doctor(storage, trashed=[volume, other])] == ['missing']
        kept = (set(storage.names()) - {volume.name}).pop()
        found, = doctor(storage, live=[volume])
        assert (found.kind, found.name) == ('orphan', kept)
