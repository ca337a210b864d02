# SPDX-License-Identifier: Apache-2.0
"""Everything that takes space of a storage gets that of its trash first, on storage whose snapshots
take space and on storage whose snapshots do not; nothing else does."""
import ast
import contextlib
import pathlib
import uuid
from typing import NamedTuple

import pytest

import cinder
from cinder import exception
from cinder.conf import CONF
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.image import image_shares
from cinder.volume import manager as manager_package
from cinder.volume.api import volumes as volumes_api
from cinder.volume.manager import image_clones, migration_rows
from tests.fakes import image_service
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL

TREE = pathlib.Path(cinder.__file__).parent
SIZE = 2  # GiB of each volume


class World:
    """A pool that is full, with a trash of volumes of 1 GiB."""

    def __init__(self, ctxt, manager, sent, images):
        self.ctxt, self.manager, self.sent, self.images = ctxt, manager, sent, images
        self.driver = manager.backend.driver
        self.report = {}

    def volume(self, status='available', **values):
        made = volumes_db.create(self.ctxt, {
            'project_id': self.ctxt.project_id, 'user_id': 'u1', 'size': SIZE, 'status': status,
            'host': POOL, 'use_quota': True,
            'volume_type_id': types_db.default(self.ctxt).id, **values})
        if status not in ('creating', 'downloading', 'managing'):
            self.driver.create_volume(made)
        return volumes_db.get(self.ctxt, made.id)

    def snapshot(self, volume=None, status='available', **values):
        volume = volume or self.volume()
        made = snapshots_db.create(self.ctxt, {
            'project_id': self.ctxt.project_id, 'volume_id': volume.id, 'volume_size': volume.size,
            'status': status, 'progress': '100%', 'use_quota': True, **values})
        made = snapshots_db.get(self.ctxt, made.id)
        if status != 'creating':
            self.driver.create_snapshot(made)
        return made

    def group(self, status='available'):
        kind = group_types_db.create(self.ctxt, {'name': uuid.uuid4().hex, 'is_public': True}, {})
        made = groups_db.create(self.ctxt, {
            'project_id': self.ctxt.project_id, 'status': status, 'host': POOL, 'name': 'g',
            'group_type_id': kind.id}, [types_db.default(self.ctxt).id], kind)
        return groups_db.get(self.ctxt, made.id)

    def begin(self, verb, resource, **arguments):
        return operations_db.create(self.ctxt, verb, resource, host=BACKEND, arguments=arguments)

    def fill_trash(self, number):
        for _number in range(number):
            volumes_api.delete(self.ctxt, self.volume(size=1, launched_at=session.utcnow()))
            assert self.run(self.sent[-1][1]['operation']) == 'done'
        self.sent.clear()

    def run(self, operation):
        """Run an operation once; return its state."""
        operation = operations_db.get(self.ctxt, operation.id)
        wake(self.ctxt, operation)
        self.manager.runner.handlers[operation.verb](self.ctxt, operation, None)
        return operations_db.get(self.ctxt, operation.id).state

    def stored(self):
        return {(path.name, path.stat().st_size) for path in
                pathlib.Path(self.driver.folder).iterdir() if not path.name.startswith('trash-')}


@pytest.fixture
def world(ctxt, database, conf, sent, monkeypatch):
    CONF.set_override('delete_to_trash_hours', 1, 'backend_defaults')
    CONF.set_override('allowed_direct_url_schemes', ['cinder'])
    manager = manager_package.VolumeManager(BACKEND)
    manager.init_host()
    ctxt.auth_token = 'of the caller'
    with image_service.running(monkeypatch) as images:
        yield World(ctxt, manager, sent, images)
    manager.stop()
    CONF.clear_override('delete_to_trash_hours', 'backend_defaults')
    CONF.clear_override('allowed_direct_url_schemes')


@pytest.fixture(params=['thin', 'thick'])
def kind(request, world, monkeypatch):
    """How the storage allocates, and its reports."""
    thin = request.param == 'thin'
    monkeypatch.setattr(world.driver, 'snapshot_space', lambda size: 0 if thin else size)
    state = {'pool_name': 'files', 'total_capacity_gb': 10, 'free_capacity_gb': 0,
             'provisioned_capacity_gb': 10, 'thin_provisioning_support': thin,
             'max_over_subscription_ratio': 1.0}
    world.report = state
    monkeypatch.setattr(world.driver, 'get_volume_stats', lambda refresh=False: {
        'volume_backend_name': 'files', 'pools': [dict(state)]})
    real = world.driver.purge_trashed_volume

    def purge(volume):
        real(volume)
        state['free_capacity_gb'] += 1
        state['provisioned_capacity_gb'] -= 1
    monkeypatch.setattr(world.driver, 'purge_trashed_volume', purge)
    return request.param


# ------------------------------------------------------------------------------------ the paths
def _create(world):
    return world.begin('volume.create', world.volume('creating'))


def _from_snapshot(world):
    return world.begin('volume.create', world.volume('creating', snapshot_id=world.snapshot().id))


def _clone(world):
    return world.begin('volume.create', world.volume('creating', source_volid=world.volume().id))


def _empty_for_an_image(world):
    return world.begin('volume.create', world.volume('creating'),
                       image_id=world.images.add(b'data'))


def _image(world, expected, has_source):
    """The download of an image, which an image volume may have."""
    source = world.volume(project_id='p1')
    url = f'cinder://{source.id if has_source else uuid.uuid4()}'
    volume = world.volume('downloading')
    arguments = {'image_id': world.images.add(b'data', direct_url=url)}
    if expected:
        arguments[image_clones.EXPECTED] = True
    else:
        world.driver.create_volume(volume)
    return world.begin('volume.download', volume, **arguments)


def _image_clone(world):
    return _image(world, expected=True, has_source=True)


def _image_without_its_source(world):
    return _image(world, expected=True, has_source=False)


def _image_clone_in_place(world):
    return _image(world, expected=False, has_source=True)


def _image_in_place(world):
    return _image(world, expected=False, has_source=False)


def _extend(world):
    volume = world.volume('extending', previous_status='available', growth=1)
    return world.begin('volume.extend', volume, new_size=SIZE + 1)


def _snapshot(world):
    return world.begin('snapshot.create', world.snapshot(status='creating'))


def _group_snapshot(world):
    group = world.group()
    made = group_snapshots_db.create(world.ctxt, {
        'project_id': world.ctxt.project_id, 'status': 'creating'}, group)
    for _number in range(2):
        world.snapshot(status='creating', group_snapshot_id=made.id)
    return world.begin('group_snapshot.create', group_snapshots_db.get(world.ctxt, made.id))


def _copied_group(world, **source):
    group = world.group('creating')
    for _number in range(2):
        world.volume('creating', group_id=group.id, **source)
    return world.begin('group.copy', group)


def _group_of_volumes(world):
    return _copied_group(world, source_volid=world.volume().id)


def _group_of_snapshots(world):
    return _copied_group(world, snapshot_id=world.snapshot().id)


def _moved(world, verb, **arguments):
    """The creation of the target of a migration."""
    source = world.volume()
    move = operations_db.create(world.ctxt, verb, source, host='other@b', arguments={
        'destination': {'host': POOL, 'cluster_name': None}, **arguments})
    operations_db.claim(world.ctxt, move, 'other@b', 60)
    return migration_rows.add_target(world.ctxt, move, source, str(uuid.uuid4()))[1]


def _migrate(world):
    return _moved(world, 'volume.migrate')


def _retype(world):
    kind = types_db.create(world.ctxt, {'name': uuid.uuid4().hex, 'is_public': True})
    return _moved(world, 'volume.retype', new_type_id=kind.id)


def _retype_here(world):
    kind = types_db.create(world.ctxt, {'name': uuid.uuid4().hex, 'is_public': True})
    volume = world.volume('retyping', previous_status='available')
    return world.begin('volume.retype', volume, new_type_id=kind.id)


def _revert(world):
    snapshot = world.snapshot(world.volume('reverting', previous_status='available'),
                              status='restoring')
    return world.begin('volume.revert', snapshot.volume, snapshot_id=snapshot.id)


def _manage(world):
    (pathlib.Path(world.driver.folder) / 'theirs').write_bytes(b'data')
    return world.begin('volume.manage', world.volume('managing'),
                       reference={'source-name': 'theirs'})


def _manage_snapshot(world):
    volume = world.volume()
    (pathlib.Path(world.driver.folder) / 'theirs').write_bytes(b'data')
    return world.begin('snapshot.manage', world.snapshot(volume, status='creating'),
                       reference={'source-name': 'theirs'})


class Path(NamedTuple):
    """GiB that it needs where snapshots take no space, and where they do."""

    thin: int
    thick: int


# The copy of a volume that may be written to is copied from a snapshot of it. A restore of a backup
# into a new volume, a volume of the image cache, and the image volume of an upload are created as
# any other is.
PATHS = {
    _create: Path(SIZE, SIZE), _from_snapshot: Path(SIZE, SIZE), _clone: Path(SIZE, 2 * SIZE),
    _empty_for_an_image: Path(SIZE, SIZE), _image_clone: Path(SIZE, 2 * SIZE),
    _image_without_its_source: Path(SIZE, SIZE), _image_clone_in_place: Path(0, SIZE),
    _image_in_place: Path(0, 0), _extend: Path(1, 1), _snapshot: Path(0, SIZE),
    _group_snapshot: Path(0, 2 * SIZE), _group_of_volumes: Path(2 * SIZE, 4 * SIZE),
    _group_of_snapshots: Path(2 * SIZE, 2 * SIZE), _migrate: Path(SIZE, SIZE),
    _retype: Path(SIZE, SIZE), _retype_here: Path(0, 0), _revert: Path(0, 0),
    _manage: Path(0, 0), _manage_snapshot: Path(0, 0)}
# What takes no space: what is there is removed, renamed, read, exported or overwritten, or only
# rows change. The volume that a migration copies to, and the one that an upload registers, are made
# by 'volume.create'.
TAKE_NONE = {
    'volume.delete', 'snapshot.delete', 'group.create', 'group.update', 'group.delete',
    'group_snapshot.delete', 'volume.unmanage', 'volume.forget', 'snapshot.unmanage',
    'volume.migrate', 'volume.upload', 'volume.reimage',
    'volume.restore', 'snapshot.restore', 'trash.purge', 'service.failover',
    'group.enable_replication', 'group.disable_replication', 'group.failover_replication'}


# Where snapshots take no space, those that need less of it; tests/functional/exhaustive tries all.
CASES = [pytest.param(kind, path, id=f'{kind}-{path.__name__.strip("_")}')
         for path, needs in PATHS.items()
         for kind in ('thin', 'thick') if kind == 'thick' or needs.thin != needs.thick]


@pytest.mark.parametrize(('kind', 'path'), CASES, indirect=['kind'])
def test_what_needs_space_gets_that_of_the_trash(world, kind, path):
    get_space(world, kind, path)


def get_space(world, kind, path):
    world.manager.runner.stop()  # only messages are delivered
    wanted = getattr(PATHS[path], kind)
    world.fill_trash(wanted + 1)
    operation = path(world)
    world.sent.clear()
    before = world.stored()
    if wanted:
        with pytest.raises(exception.NotYet, match='space that the trash takes'):
            world.run(operation)
        assert [method for method, _arguments in world.sent] == ['purge_trash'] * wanted
        assert world.stored() == before
        for _method, arguments in list(world.sent):
            assert world.run(arguments['operation']) == 'done'
    assert world.run(operation) == 'done'
    assert len(trash_db.list_rows(world.ctxt).rows) == 1


# ------------------------------------------------------------------------------ all of the paths
def test_every_verb_is_one_of_them(world):
    tested = {path(world).verb for path in PATHS}
    assert tested.isdisjoint(TAKE_NONE)
    assert tested | TAKE_NONE == set(world.manager.runner.handlers)


# Methods of drivers that take space, and functions that call them.
TAKE = {'create_volume', 'create_encrypted_volume', 'create_volume_from_snapshot',
        'create_cloned_volume', 'create_snapshot', 'clone_image', 'extend_volume', 'copy_group',
        'create_group_snapshot'}
# Those of create_sources, own_keys and generic_groups are called by the others; an image that is
# written again replaces its volume by one of the same size.
CALLERS = {
    'manager/volumes.py': {'_extend': _extend},
    'manager/snapshots.py': {'create_snapshot': _snapshot},
    'manager/groups.py': {'copy_group': _group_of_volumes},
    'manager/group_snapshots.py': {'create_group_snapshot': _group_snapshot},
    'manager/image_clones.py': {'clone': _image_clone, 'create_empty': _image_without_its_source},
    'manager/images.py': {'_clone': _image_clone},
    'manager/image_onto_volume.py': {'_start_clean': _image_in_place},
    'data/create_sources.py': {'fill': _create, '_clone': _clone, '_from_snapshot': _from_snapshot},
    'data/generic_groups.py': {'create_group_snapshot': _group_snapshot}}


def test_every_call_of_a_driver_that_takes_space_is_on_one_of_them():
    found = {}
    for folder in ('manager', 'data', 'host'):
        for file in (TREE / 'volume' / folder).glob('*.py'):
            for function in ast.walk(ast.parse(file.read_text())):
                if isinstance(function, ast.FunctionDef) and any(map(_takes, ast.walk(function))):
                    found.setdefault(f'{folder}/{file.name}', set()).add(function.name)
    assert found == {file: set(functions) for file, functions in CALLERS.items()}
    assert all(path in PATHS for functions in CALLERS.values() for path in functions.values())


def _takes(node):
    return isinstance(node, ast.Call) and isinstance(
        node.func, ast.Attribute) and node.func.attr in TAKE


# ------------------------------------------------------------------------------- interrupted
def test_a_volume_that_was_created_meanwhile_does_not_get_its_space_twice(world, kind, monkeypatch):
    """Each look at the transfer of another operation begins at the start."""
    world.fill_trash(SIZE + 1)
    operation = _image_without_its_source(world)
    monkeypatch.setattr(image_shares, 'claimed', lambda _image: contextlib.nullcontext())
    with pytest.raises(exception.NotYet, match='space'):
        world.run(operation)
    for _method, arguments in list(world.sent):
        world.run(arguments['operation'])
    real = world.driver.create_volume

    def create(volume):
        if not pathlib.Path(world.driver.local_path(volume)).exists():
            world.report['free_capacity_gb'] -= volume.size
        return real(volume)
    monkeypatch.setattr(world.driver, 'create_volume', create)
    for _time in range(3):
        with pytest.raises(exception.NotYet, match='transferred for another volume'):
            world.run(operation)
    assert len(trash_db.list_rows(world.ctxt).rows) == 1


def test_a_volume_whose_storage_has_it_does_not_get_its_space_twice(world, kind, monkeypatch):
    world.fill_trash(2 * SIZE)
    operation = _clone(world)
    monkeypatch.setattr(world.driver, 'list_allocated',
                        lambda volumes: {volume.id for volume in volumes})
    assert world.run(operation) == 'done'
    assert len(trash_db.list_rows(world.ctxt).rows) == 2 * SIZE


@pytest.mark.parametrize('kind', ['thin'], indirect=True)
def test_a_clone_that_was_killed_is_copied_if_its_source_is_gone(world, kind, monkeypatch):
    """Its volume was removed for the clone."""
    world.fill_trash(SIZE)
    operation = _image_clone_in_place(world)
    with monkeypatch.context() as patch:
        patch.setattr(world.driver, 'create_cloned_volume', _killed)
        with pytest.raises(Killed):
            world.run(operation)
    image, = world.images.images.values()
    volumes_db.destroy(world.ctxt, image['direct_url'].rpartition('/')[2])
    operations_db.release(world.ctxt, operations_db.get(world.ctxt, operation.id))
    with pytest.raises(exception.NotYet, match='space'):
        world.run(operation)
    for _method, arguments in list(world.sent):
        world.run(arguments['operation'])
    assert world.run(operation) == 'done'
    volume = volumes_db.get(world.ctxt, operation.resource_id)
    with open(world.driver.local_path(volume), 'rb') as stream:
        assert stream.read(4) == b'data'


class Killed(BaseException):
    """The process has ended."""


def _killed(*_arguments):
    raise Killed()
