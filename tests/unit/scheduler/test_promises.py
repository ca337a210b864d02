# SPDX-License-Identifier: Apache-2.0
"""Several schedulers, and one that starts again, promise the space of a pool once."""
import pytest
import sqlalchemy as sa

from cinder.db import models, session
from cinder.db import operations as operations_db
from cinder.db import pools as pools_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.manager import SchedulerManager
from cinder.scheduler.steps import PAUSES
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.conftest import VolumeBus, wanted

pytestmark = pytest.mark.usefixtures('database')
POOL, OTHER = 'n1@b#lvm', 'n2@b#lvm'


class World:
    """Back ends of 100 GiB, their reports, and any number of schedulers that know them."""

    def __init__(self, ctxt):
        self.ctxt, self.bus, self.clock, self.later = ctxt, VolumeBus(), fakes.Clock(), (
            fakes.Later())
        self.schedulers = []

    def scheduler(self, *hosts):
        made = SchedulerManager(
            f's{len(self.schedulers)}', conf=fakes.options(), volume_api=self.bus,
            clock=self.clock, list_services=fakes.Services(*map(fakes.service, hosts)),
            timers=self.later)
        self.schedulers.append(made)
        made.readiness._ready.set()
        for host in hosts:
            self.report(host, to=[made])
        self.clock.now += 100
        for host in hosts:
            self.report(host, to=[made])
        return made

    def report(self, host='n1@b', contained=(0, 0), to=None, **report):
        """Send a report that contains so many of the promised GiB: all, and of thick volumes."""
        pools_db.add(self.ctxt, [f'{host}#lvm'])
        known = pools_db.counts(self.ctxt, [f'{host}#lvm'])[f'{host}#lvm']
        for scheduler in to or self.schedulers:
            scheduler.update_service_capabilities(self.ctxt, 'volume', host, fakes.report(
                promises={'lvm': [*contained, *known]}, **report))

    def create(self, scheduler, size=10, **values):
        """Return the host of a new volume; None: it waits or failed."""
        volume, operation = wanted(self.ctxt, size, **values)
        scheduler.create_volume(self.ctxt, operation, volumes_db.get(self.ctxt, volume.id))
        found = volumes_db.get(self.ctxt, volume.id)
        assert found.host or found.status == 'error' or self.later.pauses
        return found.host

    def promised(self, pool=POOL):
        return pools_db.counts(self.ctxt, [pool])[pool]


@pytest.fixture
def world(ctxt):
    return World(ctxt)


def test_two_schedulers_promise_the_space_of_a_pool_once(world):
    one, two = world.scheduler('n1@b'), world.scheduler('n1@b')
    placed = [world.create(scheduler, 40) for scheduler in (one, two, one, two)]
    assert placed == [POOL, POOL, None, None]
    assert world.promised() == (80, 0)


def test_loser_decides_again_and_takes_another_pool(world):
    one, two = world.scheduler('n1@b', 'n2@b'), world.scheduler('n1@b', 'n2@b')
    for host, total in (('n1@b', 100), ('n2@b', 90)):
        world.report(host, free_capacity_gb=total)
    assert [world.create(scheduler, 60) for scheduler in (one, two)] == [POOL, OTHER]
    # The loser knows now what the winner was promised.
    pool = next(pool for pool in two.host_manager.pools(world.ctxt)[0] if pool.name == POOL)
    assert pool.capacity.free == 40


def test_scheduler_that_starts_again_knows_what_was_promised(world):
    assert world.create(world.scheduler('n1@b'), 60) == POOL
    again = world.scheduler('n1@b')
    assert world.create(again, 60) is None
    assert world.create(again, 40) == POOL


def test_report_that_was_measured_before_does_not_return_the_space(world):
    scheduler = world.scheduler('n1@b')
    world.create(scheduler, 60)
    world.report()
    assert world.create(scheduler, 60) is None
    world.report(contained=(60, 0), free_capacity_gb=40)
    assert world.create(scheduler, 40) == POOL
    assert world.create(scheduler, 1) is None


def test_what_a_restored_database_does_not_know_is_forgotten(world):
    """A backup of the database was restored: its counts are smaller than those of a report."""
    scheduler = world.scheduler('n1@b')
    world.create(scheduler, 60)
    world.report(contained=(60, 0), free_capacity_gb=40)
    with session.writer(world.ctxt) as conn:
        conn.execute(sa.update(models.Pool.__table__).values(promised=10))
    world.report(contained=(10, 0), free_capacity_gb=90)
    assert world.create(scheduler, 90) == POOL


def test_report_that_crosses_a_placement(world):
    """It was measured and its counts were read before a volume that is placed when it arrives."""
    scheduler = world.scheduler('n1@b')
    before = world.promised()
    world.create(scheduler, 60)
    scheduler.update_service_capabilities(world.ctxt, 'volume', 'n1@b', fakes.report(
        promises={'lvm': [0, 0, *before]}))
    pool, = scheduler.host_manager.pools(world.ctxt)[0]
    assert pool.capacity.free == 40


def test_thin_pool_has_two_limits(world, ctxt):
    """100 GiB, over-subscribed twice: thick volumes take what is there."""
    thick = types_db.create(ctxt, {'name': 'thick', 'is_public': True},
                            {'provisioning:type': 'thick'}).id
    thin = {'thin_provisioning_support': True, 'max_over_subscription_ratio': 2}
    one, two = world.scheduler('n1@b'), world.scheduler('n1@b')
    world.report(**thin)
    assert world.create(one, 80, volume_type_id=thick) == POOL
    assert world.create(two, 30, volume_type_id=thick) is None
    assert world.create(two, 40) == POOL    # 20 GiB are left, for 40 of thin volumes
    assert world.create(one, 41) is None
    assert world.promised() == (120, 80)


@pytest.mark.parametrize('report', [{'free_capacity_gb': 'infinite'},
                                    {'free_capacity_gb': 'unknown'}])
def test_pool_without_a_limit(world, report):
    one, two = world.scheduler('n1@b'), world.scheduler('n1@b')
    world.report(**report)
    assert [world.create(scheduler, 1000) for scheduler in (one, two)] == [POOL, POOL]
    assert world.promised() == (2000, 0)


def test_placement_costs_one_statement_more(world, ctxt, database):
    scheduler, statements, sent = world.scheduler('n1@b'), [], []
    sa.event.listen(database.current().writer, 'before_cursor_execute',
                    lambda _conn, _cursor, text, *_rest: statements.append(text))
    for size in (1, 0):  # a volume without a size needs no promise
        volume, operation = wanted(ctxt, size)
        whole = volumes_db.get(ctxt, volume.id)
        statements.clear()
        scheduler.create_volume(ctxt, operation, whole)
        sent.append(len(statements))
    assert sent[0] == sent[1] + 1


def test_refusal_waits_for_a_report_that_may_count_less(world, ctxt):
    """What is promised may be on the storage, and in its report, already."""
    scheduler = world.scheduler('n1@b')
    world.create(scheduler, 60)
    # The volume was on the storage, but was not finished, when the back end looked.
    world.report(contained=(0, 0), free_capacity_gb=40)
    volume, operation = wanted(ctxt, 40)
    scheduler.create_volume(ctxt, operation, volume)
    assert operations_db.get(ctxt, operation.id).stage == 'schedule'
    assert world.bus.asked == 1 and world.later.pauses == [PAUSES[0]]
    world.report(contained=(60, 0), free_capacity_gb=40)
    scheduler.create_volume(ctxt, operations_db.get(ctxt, operation.id), volume)
    assert volumes_db.get(ctxt, volume.id).host == POOL


def test_refusal_waits_for_a_report_that_is_fresh(world, ctxt):
    """Volumes may have been deleted since."""
    scheduler = world.scheduler('n1@b')
    world.report(free_capacity_gb=5)
    world.clock.now += 20
    volume, operation = wanted(ctxt, 10)
    scheduler.create_volume(ctxt, operation, volume)
    assert (world.bus.asked, world.later.pauses) == (1, [PAUSES[0]])
    world.report(free_capacity_gb=10)
    scheduler.create_volume(ctxt, operations_db.get(ctxt, operation.id), volume)
    assert volumes_db.get(ctxt, volume.id).host == POOL


def test_line_about_a_wait_has_each_reason_once(world, caplog):
    hosts = [f'n{number}@b' for number in range(1, 6)]
    scheduler = world.scheduler(*hosts)
    for host in hosts:
        world.report(host, free_capacity_gb=5)
    world.clock.now += 20
    caplog.set_level('INFO', 'cinder.scheduler')
    assert world.create(scheduler) is None
    line, = (text for text in caplog.messages if 'waits for back ends' in text)
    assert line.count('CapacityFilter') == 1 and line.endswith(' and 4 more')


@pytest.mark.parametrize(('size', 'specs'), [(101, {}), (1, {'disk': 'none'})])
def test_refusal_for_what_no_report_changes_is_at_once(world, ctxt, size, specs):
    scheduler = world.scheduler('n1@b')
    world.clock.now += 20
    kind = types_db.create(ctxt, {'name': 'kind', 'is_public': True}, specs).id
    assert world.create(scheduler, size, volume_type_id=kind) is None
    assert (world.bus.asked, world.later.pauses) == (0, [])


def test_refusal_of_a_full_pool_is_at_once(world):
    scheduler = world.scheduler('n1@b')
    world.create(scheduler, 10)
    world.report(free_capacity_gb=20)
    assert world.create(scheduler, 30) is None
    assert (world.bus.asked, world.later.pauses) == (0, [])


def test_refusal_for_silence_waits_for_a_report(world):
    scheduler = world.scheduler('n1@b')
    world.clock.now += 200
    assert world.create(scheduler) is None
    assert (world.bus.asked, world.later.pauses) == (1, [PAUSES[0]])


def test_reports_are_not_requested_for_each_refusal(world):
    scheduler = world.scheduler('n1@b')
    world.create(scheduler, 60)
    for _time in range(5):
        world.create(scheduler, 60)
    assert world.bus.asked == 1


@pytest.mark.parametrize('verb', ['migrate', 'retype'])
def test_migration_promises_the_space_of_its_destination(world, ctxt, verb):
    scheduler, other = world.scheduler('n1@b', 'n2@b'), world.scheduler('n2@b')
    world.report('n2@b', disk='fast')
    fast = types_db.create(ctxt, {'name': 'fast', 'is_public': True}, {'disk': 'fast'}).id
    volume = volumes_db.create(ctxt, {
        'project_id': 'p1', 'size': 60, 'host': POOL, 'volume_type_id': fast,
        'status': 'retyping' if verb == 'retype' else 'available'})
    operation = operations_db.create(ctxt, f'volume.{verb}', volume, stage='schedule', arguments={
        'migration_policy': 'on-demand', 'new_type_id': fast, 'target_id': 'x'})
    getattr(scheduler, f'{verb}_volume')(ctxt, operation, volumes_db.get(ctxt, volume.id))
    found = operations_db.get(ctxt, operation.id)
    assert (found.stage, found.arguments['destination']['host']) == ('execute', OTHER)
    assert world.promised(OTHER) == (60, 0)
    assert world.create(other, 60) is None


def test_space_of_a_placement_that_was_not_stored_is_returned(world, ctxt, monkeypatch):
    scheduler = world.scheduler('n1@b')

    def fails(*_args):
        world.report()  # a report arrives meanwhile
        raise ValueError('no')
    with monkeypatch.context() as patch, pytest.raises(ValueError, match='no'):
        patch.setattr(pools_db, 'promise', fails)
        world.create(scheduler, 60)
    assert scheduler.host_manager.pools(ctxt)[0][0].capacity.free == 100
    assert world.create(scheduler, 100) == POOL


def test_row_that_was_deleted_is_made_again(world, ctxt):
    scheduler = world.scheduler('n1@b')
    with session.writer(ctxt) as conn:
        conn.execute(models.Pool.__table__.delete())
    assert world.create(scheduler, 60) == POOL
    assert world.promised() == (60, 0)


def extend(world, scheduler, size, growth, **values):
    """(the volume, the operation) after an extend."""
    volume = volumes_db.create(world.ctxt, {
        'project_id': 'p1', 'size': size, 'host': POOL, 'status': 'extending', 'growth': growth,
        'previous_status': 'in-use', **values})
    operation = operations_db.create(world.ctxt, 'volume.extend', volume, stage='schedule',
                                     arguments={'new_size': size + growth})
    scheduler.extend_volume(world.ctxt, operation, volumes_db.get(world.ctxt, volume.id))
    return (volumes_db.get(world.ctxt, volume.id), operations_db.get(world.ctxt, operation.id))


def test_extend_promises_its_growth(world):
    one, two = world.scheduler('n1@b'), world.scheduler('n1@b')
    volume, operation = extend(world, one, 30, 40)
    assert (operation.stage, operation.host, volume.status) == ('execute', 'n1@b', 'extending')
    assert world.promised() == (40, 0)
    assert world.bus.created == [(POOL, 'n1@b', 'execute', 'queued')]
    assert world.create(two, 61) is None
    assert world.create(two, 60) == POOL


def test_extend_that_does_not_fit_leaves_the_volume_as_it_was(world, ctxt):
    scheduler = world.scheduler('n1@b', 'n2@b')
    world.report(free_capacity_gb=30)
    volume, operation = extend(world, scheduler, 30, 40)
    assert world.bus.asked == 0
    assert (volume.status, volume.size, volume.growth) == ('in-use', 30, 0)
    assert operation.error == ('The storage of the volume cannot extend it: not enough room for '
                               '40 GiB.')
    assert world.promised() == (0, 0)


def test_extend_waits_for_a_report_that_is_fresh(world):
    scheduler = world.scheduler('n1@b')
    world.report(free_capacity_gb=30)
    world.clock.now += 20
    volume, operation = extend(world, scheduler, 30, 40)
    assert (volume.status, operation.stage) == ('extending', 'schedule')
    assert (world.bus.asked, world.later.pauses) == (1, [PAUSES[0]])


@pytest.mark.parametrize('host', ['n9@b', 'n2@b'])
def test_extend_in_a_pool_of_which_nothing_is_known_is_left_to_its_back_end(world, host):
    """Its service may be disabled, or be starting."""
    scheduler = world.scheduler('n1@b')
    volume, operation = extend(world, scheduler, 30, 400, host=f'{host}#lvm')
    assert (operation.stage, operation.host) == ('execute', host)


def test_extend_without_the_capacity_filter_is_left_to_the_back_end(world):
    scheduler = world.scheduler('n1@b')
    scheduler.driver.filters.clear()
    _volume, operation = extend(world, scheduler, 30, 400)
    assert (operation.stage, operation.host) == ('execute', 'n1@b')
    assert world.promised() == (400, 0)
