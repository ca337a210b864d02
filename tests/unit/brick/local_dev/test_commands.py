# SPDX-License-Identifier: Apache-2.0
"""Each way in which a command of LVM can fail or wait (faults F20 to F23)."""
import functools
import threading
import time

import pytest

from cinder import fair_lock
from cinder.brick.local_dev import commands, lvm, reports
from tests.fakes.volume_group import GIB


def test_a_command_that_succeeds_after_the_deadline_is_adopted(thin, fake):
    fake.fail('lvcreate', None, 'late', after=True)
    with pytest.raises(reports.Overdue):
        thin.create_volume('a', GIB)
    thin.create_volume('a', GIB)
    assert fake.volumes['a'].size == GIB


@pytest.mark.parametrize('after', [False, True])
def test_a_crash_is_tried_again(thin, fake, after):
    fake.fail('lvcreate', 139, after=after, times=1 if after else 2)
    thin.create_volume('a', GIB)
    assert 'a' in fake.volumes


def test_crashes_are_tried_again_only_so_often(thin, fake):
    fake.fail('lvcreate', 139, times=3)
    with pytest.raises(reports.LVMError, match='exit code 139'):
        thin.create_volume('a', GIB)
    assert fake.programs() == ['lvcreate'] * 3


@pytest.mark.parametrize('garbage', ['', 'no json', '{"report": []}', '{"report": [{"pv": []}]}',
                                     '[{', '{"report": null}'])
def test_a_report_that_cannot_be_read(thick, fake, garbage):
    fake.fail('lvs', 0, stdout=garbage, times=3)
    with pytest.raises(reports.BadReport):
        thick.group()
    assert fake.programs() == ['lvs'] * 3
    assert thick.group().size == 100 * GIB


def test_warnings_before_the_report_and_on_stderr_do_no_harm(thick, fake):
    row = '{"vg_name":"vg", "vg_size":"8", "vg_free":"4", "vg_extent_size":"4"}'
    fake.fail('vgs', 0, '  WARNING: Device /dev/sdb not found',
              f'File descriptor 7 leaked\n{{"report": [{{"vg": [{row}]}}]}}')
    assert thick.group().free == 4


def test_what_waits_behind_commands_that_end_is_busy_and_not_hung(thin, fake):
    fake.fail('lvs', None, 'no turn within 20.0 s', times=2)
    with pytest.raises(reports.Overdue) as caught:
        thin.find('a')
    assert not caught.value.busy
    fake.before = lambda: thin.answered.update({commands.REPORTS: float('inf')})
    with pytest.raises(reports.Overdue) as caught:
        thin.find('a')
    assert caught.value.busy


@pytest.mark.parametrize(('since_report', 'busy'), [(10, True), (31, False)])
def test_a_report_may_wait_for_changes_but_not_for_ever(thin, fake, since_report, busy):
    fake.fail('lvs', None, 'did not end')

    def change_ends():
        thin.answered = {commands.REPORTS: time.monotonic() - since_report,
                         commands.CHANGES: time.monotonic() + 1}

    fake.before = change_ends
    with pytest.raises(reports.Overdue) as caught:
        thin.find('a')
    assert caught.value.busy is busy


def test_changes_wait_for_their_turn_as_long_as_others_come_to_an_end(thin, fake):
    turns, gone = threading.Event(), threading.Event()

    def hold():
        with thin.turn('lvcreate'):
            turns.set()
            gone.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    turns.wait(5)
    with (pytest.raises(reports.Overdue, match='an earlier command is still running'),
          thin.turn('lvremove', 0.01)):
        pytest.fail('not its turn')
    thin.answered[commands.CHANGES] = float('inf')
    threading.Timer(0.05, gone.set).start()
    thin.change('lvchange', '-ay', 'vg/vg-pool', timeout=0.01)
    holder.join()
    assert fake.programs() == ['lvchange']


def test_copies_that_begin_keep_short_work_waiting_for_one_command(thick, fake):
    thick.create_volume('source', GIB)
    fake.commands.clear()

    def clone(number):
        with fair_lock.working_for('bulk', 'many'):
            thick.clone(f'copy-{number}', 'source', GIB, GIB, live=True)

    def create():
        with fair_lock.working_for('short', 'one'):
            thick.create_volume('small', GIB)

    works = [*(functools.partial(clone, number) for number in range(8)), create]
    threads = [threading.Thread(target=work) for work in works]
    with thick.turn('lvcreate'):
        deadline = time.monotonic() + 60
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(thick._changing._waiting) < number and time.monotonic() < deadline:
                time.sleep(0.0005)
    for thread in threads:
        thread.join(60)
    changes = [argv for argv in fake.commands if argv[0] == 'lvcreate']
    assert 'small' in changes[1] and len(changes) == 2 * 8 + 1


def test_our_own_commands_queue_in_two_lanes(monkeypatch):
    lanes = []
    monkeypatch.setattr(commands.command, 'execute',
                        lambda *argv, lane, **_kwargs: lanes.append(lane) or ('', ''))
    group = lvm.LVM('vg')
    group.activate('a')
    assert not group.supports_thin()
    assert lanes == ['lvm changes of vg', 'lvm reports of vg']


@pytest.mark.parametrize(('stderr', 'error'), [
    ('  Volume group "vg" not found\n  Cannot process volume group vg', reports.GroupNotFound),
    ('  Failed to find logical volume "vg/x"', reports.LVNotFound),
    ('  Logical volume x not found in volume group vg.', reports.LVNotFound),
    ('  Snapshot origin LV x not found in Volume group vg.', reports.LVNotFound),
    ('  Pool nopool not found in Volume group vg.', reports.LVNotFound),
    ('  Existing logical volume "x" not found in volume group "vg"', reports.LVNotFound),
    ('  Logical Volume "x" already exists in volume group "vg"', reports.LVExists),
    ('  Logical volume vg-pool already exists in Volume group vg.', reports.LVExists),
    ('  Volume group "vg" has insufficient free space (1 extents): 2 required.', reports.NoSpace),
    ('  Insufficient free space: 2 extents needed, but only 1 available', reports.NoSpace),
    ('  Insufficient suitable allocatable extents for logical volume x: 2 more required',
     reports.NoSpace),
    ('  Cannot create new thin volume, free space in thin pool vg/vg-pool reached threshold.',
     reports.NoSpace),
    ('  New size (2 extents) matches existing size (2 extents).', reports.SizeReached),
    ('  Snapshot origin volumes can be resized only while inactive: try lvchange -an.',
     reports.LVActive),
    ('  Logical volume vg/x in use.', reports.LVInUse),
    ('  Logical volume vg/x contains a filesystem in use.', reports.LVInUse),
    ('  Something new.', reports.LVMError),
])
def test_the_words_of_lvm_become_errors(thick, fake, stderr, error):
    fake.fail('lvchange', stderr=f'  WARNING: noise\n{stderr}\n')
    with pytest.raises(reports.LVMError) as caught:
        thick.activate('x')
    assert type(caught.value) is error
    assert stderr.split('\n')[0].strip() in caught.value.msg
    assert 'noise' not in caught.value.msg
