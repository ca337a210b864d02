# SPDX-License-Identifier: Apache-2.0
"""What operators see of a fault: the code meets the faults of test_alerts.py, which have their
alerts there, and here what the page and the events say of them."""
import collections
import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest
import webob

from cinder import context, exception
from cinder.api.dashboard import Page, data, front
from cinder.conf import CONF
from cinder.db import events as events_db
from cinder.db import services
from cinder.rpc import scheduler
from tests.api.test_dashboard import Reader
from tests.functional import test_alerts as faults
from tests.functional.suite import ROOT
from tests.functional.test_alerts import conf, folder, sent, world  # noqa: F401 - fixtures


@pytest.fixture
def page(world, sent, monkeypatch):  # noqa: F811
    """Call it for the page of an administrator: its status, and section -> text of its rows."""
    data.cached.clear()
    CONF.set_override('auth_strategy', 'noauth')
    ctxt = context.RequestContext(user_id='u', project_id='p', roles=['admin', 'member', 'reader'])

    def pools(*_args, **_kwargs):
        last = next(arguments for method, arguments in reversed(sent)
                    if method == 'update_service_capabilities')
        return [{'name': f'{last["host"]}#{pool["pool_name"]}', 'capabilities': pool}
                for pool in last['capabilities']['pools']]
    monkeypatch.setattr(scheduler.SchedulerAPI, 'get_pools', pools)

    def with_context(environ, start_response):
        environ['cinder.context'] = ctxt
        return Page()(environ, start_response)

    def ask():
        data.cached.clear()
        answer = webob.Request.blank('/').get_response(front.Front(with_context))
        return answer.status_int, {
            name: '\n'.join(' | '.join(row) for row in rows[1:])
            for name, rows in Reader(answer.text).tables.items()}
    yield ask
    CONF.clear_override('auth_strategy')


class Shown(NamedTuple):
    """What is seen of a fault.

    :ivar section: of the page; None: see ELSEWHERE
    :ivar says: pattern of one of its rows
    :ivar events: (kind, status of the volume) -> number
    """

    section: str | None
    says: str = ''
    events: Mapping[tuple[str, str], int] = {}


def _extended(number, **statuses):
    """Events of so many volumes that the world makes, and of what becomes of them."""
    return {('create', 'extending'): number} | {('update', status): number for status in statuses}


# Fault -> what is seen of it. Their numbers in the matrix of faults are those of reliability: F2 a
# killed scheduler, F13 a database that is away, and so on.
SHOWN = {
    # F2, F4, F6
    'service_is_killed': Shown('services', r'cinder-scheduler | here | down'),
    # F20, F21, F28
    'storage_is_gone': Shown('services', r'cinder-volume | here@lvm | failing .* no volume group'),
    # F8, F9, F11: the message is lost or late.
    'operation_is_not_begun': Shown('operations', r'volume.extend .* queued, place 1 .* 30 min',
                                    _extended(1)),
    # F22, F25, F26, F30, F42
    'operations_fail': Shown('failures', r'volume.extend .* no space .* ago',
                             _extended(3, error_extending=3)),
    # F1, F7: each operation is done once.
    'processes_end_during_operations': Shown(
        'errors', r'Operations that were interrupted .* volume.extend, here@lvm | 6',
        _extended(6, available=6)),
    # F4, F35, F36: it goes on elsewhere, and nothing has happened to the volume.
    'lock_is_lost': Shown('operations', r'volume.extend .* queued, place 1, interrupted once',
                          _extended(1)),
    # F3, F33, F41
    'requests_end_with_503': Shown('errors', r'Requests that ended with 5xx .* /volumes, 503 | 20'),
    # F35
    'requests_are_slow': Shown('latency', r'GET /volumes | 95 of 100 within 6 s'),
    # F14, F15
    'transactions_meet_deadlocks': Shown('errors', r'Transactions that the database refused .* 6'),
    # F8
    'broker_takes_no_message': Shown('errors', r'Messages that the broker did not take .* 1'),
    # F12
    'nobody_answers': Shown('errors', r'Messages without an answer.* attach_volume, timeout | 1'),
    # F21, F23
    'command_hangs': Shown('errors', r'Commands that failed, or did not end | sleep, overdue | 1'),
    # F26
    'target_refuses': Shown('errors', r'Exports that could not be changed .* | 3'),
    # F35, with Ceph
    'ceph_does_not_answer': Shown('errors', r'Calls of Ceph that failed | Image.stat, .* | 3'),
    # F24
    'storage_has_an_unknown_volume': Shown(
        'errors', r'Differences between rows and storage | here@lvm, stray | 1'),
    # F18
    'pool_fills': Shown('pools', r'here@lvm#lvm .* its data is 97.0 % full; the limit is 95 %'),
    'pool_grows': Shown('pools', r'here@lvm#lvm .* in 11 h'),
    # F19
    'metadata_fill': Shown('pools', r'here@lvm#lvm .* 85 % of the metadata used'),
    # F38
    'volumes_are_too_large': Shown(
        'failures', r'volume.create .* not enough room for 100000 GiB',
        {('create', 'creating'): 3, ('update', 'error'): 3}),
}
# Faults of which the page has no row, and where else it is seen.
ELSEWHERE = {
    'only_api_leaves_the_deployment_to_others': 'the page asks the database itself',
    'database_does_not_answer': 'the page is an error: see test_without_a_database',
    'operations_take_all_places': 'they are rows of `operations`, as operation_is_not_begun',
    'notifications_are_not_sent': 'whoever reads them misses them; the page shows no notifications',
    'look_at_the_storage_hangs': 'the service reports it, as storage_is_gone',
}


def events_since(ctxt, last):
    """(kind, status) -> number."""
    found = events_db.read(ctxt, events_db.Wanted(None), last, events_db.advance(ctxt), 1000)
    return collections.Counter((each['kind'], each['body']['status']) for each in found)


@pytest.mark.parametrize('name', SHOWN)
def test_the_page_and_the_events_say_what_it_is(name, world, page):  # noqa: F811
    shown, last = SHOWN[name], events_db.advance(world.ctxt)
    says = re.compile(shown.says.replace(' | ', r' \| '))
    _status, sections = page()
    assert not says.search(sections[shown.section])
    assert getattr(faults, name)(world) is None
    status, sections = page()
    assert status == 200 and says.search(sections[shown.section]), sections[shown.section]
    # What has not happened to a volume is no event.
    assert events_since(world.ctxt, last) == shown.events


def test_without_a_database(world, page, monkeypatch):  # noqa: F811
    def fail(*_args):
        raise exception.DatabaseUnavailable()
    monkeypatch.setattr(services, 'list_rows', fail)
    assert page() == (503, {'error': ''})


def test_every_fault_is_seen_somewhere():
    assert {fault.__name__ for fault, _minute in faults.FAULTS.values()} == (
        SHOWN.keys() | ELSEWHERE.keys())


def test_the_page_of_the_documentation_has_every_alert():
    text = (ROOT / 'doc/source/monitoring.rst').read_text()
    part = text.partition('What a fault looks like')[2].partition('Alerts and a board')[0]
    assert set(re.findall('``(Cinder.*?)``', part)) == set(faults.FAULTS)
