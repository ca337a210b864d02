# SPDX-License-Identifier: Apache-2.0
"""The numbers are those of all processes of a daemon, also of those that were replaced; off, they
cost nothing."""
import os
import pathlib
import re

import pytest

from cinder import metrics
from cinder.metrics import directories, store, table
from tests.fakes import measured

COUNTER, GAUGE = 'cinder_scheduler_refusals_total', 'cinder_backend_working'


@pytest.fixture
def page(tmp_path):
    with measured.counted(tmp_path) as found:
        yield found


def in_a_child(function):
    """Call a function in a forked process, which then ends at once; return its exit status."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = function() or 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_counter_is_the_sum_of_all_processes_whoever_answers(page):
    metrics.count(COUNTER, 'CapacityFilter')
    for _child in range(3):
        assert in_a_child(lambda: metrics.count(COUNTER, 'CapacityFilter', amount=2)) == 0
    assert page.value(COUNTER, filter='CapacityFilter') == 7
    assert in_a_child(lambda: int(page.value(COUNTER, filter='CapacityFilter') != 7)) == 0


def test_processes_that_replace_others_need_no_further_files(page, tmp_path):
    metrics.count(COUNTER, 'x')
    for _child in range(4):
        assert in_a_child(lambda: metrics.count(COUNTER, 'x')) == 0
    assert page.value(COUNTER, filter='x') == 5
    assert len(list(tmp_path.glob('counter_*.db'))) == 2


def test_a_gauge_ends_with_its_process(page):
    def set_and_read():
        metrics.gauge(GAUGE, 1, 'a@b')
        return int(page.value(GAUGE, service='a@b') != 1)
    metrics.gauge(GAUGE, 1, 'me')
    assert in_a_child(set_and_read) == 0
    assert page.value(GAUGE, service='a@b') is None
    assert page.value(GAUGE, service='me') == 1


def test_a_gauge_is_not_taken_over_with_the_files(page):
    assert in_a_child(lambda: metrics.gauge(GAUGE, 1, 'a@b')) == 0
    assert in_a_child(lambda: metrics.gauge(GAUGE, 1, 'c@d')
                      or int(page.value(GAUGE, service='a@b') is not None)) == 0


def test_a_histogram_has_buckets_sum_and_count(page):
    metrics.observe('cinder_api_request_seconds', 0.02, '/volumes', 'GET')
    labels = {'route': '/volumes', 'method': 'GET'}
    assert page.value('cinder_api_request_seconds_bucket', le='0.01', **labels) == 0
    assert page.value('cinder_api_request_seconds_bucket', le='0.025', **labels) == 1
    assert page.value('cinder_api_request_seconds_count', **labels) == 1


def test_what_fails_is_measured_and_counted(page):
    with pytest.raises(LookupError), metrics.timed('cinder_ceph_call', 'Image.resize'):
        raise LookupError
    assert page.value('cinder_ceph_call_seconds_count', call='Image.resize') == 1
    labels = {'call': 'Image.resize', 'error': 'LookupError'}
    assert page.value('cinder_ceph_call_errors_total', **labels) == 1


def test_nothing_is_counted_while_it_is_off():
    assert not metrics.is_on()
    metrics.count('no such metric', 'x')
    metrics.observe('no such metric', 1)
    metrics.gauge('no such metric', 1)
    with metrics.timed('no such metric') as nothing:
        assert nothing is None
    assert metrics.timed('one') is metrics.timed('another')


SOURCES = '\n'.join(path.read_text() for path in pathlib.Path(metrics.__file__).parents[1].rglob(
    '*.py') if path.name != 'table.py')
# Ends that the code adds to the beginning of a name.
ENDS = re.compile('(?<=cinder_executor_).*|_seconds$|_errors_total$')


@pytest.mark.parametrize('name', table.METRICS)
def test_each_metric_is_counted_somewhere_and_has_the_unit_in_its_name(name):
    metric = table.METRICS[name]
    assert f"'{name}'" in SOURCES or f"'{ENDS.sub('', name)}" in SOURCES
    assert name.startswith('cinder_') and metric.help.endswith('.')
    assert name.endswith('_total') == (metric.kind == table.COUNTER)
    if metric.kind == table.HISTOGRAM:
        assert name.endswith('_seconds') and list(metric.buckets) == sorted(metric.buckets)


def test_a_directory_is_removed_with_its_daemon_or_by_the_next_one(monkeypatch, tmp_path):
    monkeypatch.setattr(directories.tempfile, 'gettempdir', lambda: str(tmp_path))
    monkeypatch.setattr(directories.tempfile, 'tempdir', str(tmp_path))
    monkeypatch.setattr(directories, '_made', {})
    # As after kill -9 of the whole daemon.
    assert in_a_child(lambda: directories.create('api') and 0) == 0
    left, = tmp_path.iterdir()
    mine = directories.create('volume')
    assert [str(path) for path in tmp_path.iterdir()] == [mine]
    # Another daemon that starts leaves it alone, and so does the end of a forked process.
    assert in_a_child(lambda: directories.remove(os.getppid())) == 0
    other = directories.create('api')
    assert {str(path) for path in tmp_path.iterdir()} == {mine, other}
    directories.remove()
    assert list(tmp_path.iterdir()) == []
    for descriptor in directories._made.values():
        os.close(descriptor)


def test_the_slot_of_a_process_is_free_when_it_has_ended(tmp_path):
    first = store.Slots(str(tmp_path))
    assert first.mine() == '0'
    assert store.Slots(str(tmp_path)).mine() == '1'
    first.forget()
    assert store.Slots(str(tmp_path)).mine() == '0'


def test_texts_of_labels_are_escaped(page):
    metrics.count(COUNTER, 'a "b" \\ c\nd')
    assert page.value(COUNTER, filter='a "b" \\ c\nd') == 1


def test_the_page_is_that_of_the_library(page, tmp_path):
    """But for the order of the samples and the texts of families without any."""
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    def count():
        for number in range(5):
            metrics.count(COUNTER, str(number % 2), amount=number)
            metrics.observe('cinder_api_request_seconds', number / 10, '/x', 'GET')
            metrics.gauge('cinder_executor_running', number, 'a', 'short')
            metrics.gauge(GAUGE, number, 'a')
    count()
    assert in_a_child(count) == 0
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(tmp_path))
    theirs = measured.samples(generate_latest(registry))
    ours = measured.samples(metrics.current().render())
    # That of the process that has ended is removed first.
    assert ours.pop(('cinder_executor_running', ('class', 'short'), ('service', 'a'))) == 4
    assert theirs.pop(('cinder_executor_running', ('class', 'short'), ('service', 'a'))) == 8
    assert ours == theirs


def test_a_full_disk_makes_no_work_fail(page, monkeypatch):
    def fail(*_args):
        raise OSError(28, 'No space left on device')

    def count():
        monkeypatch.setattr(store.os, 'posix_fallocate', fail)
        metrics.count(COUNTER, 'x')
        metrics.observe('cinder_api_request_seconds', 1, '/x', 'GET')
        metrics.gauge(GAUGE, 1, 'a')
    assert in_a_child(count) == 0
    metrics.count(COUNTER, 'x')
    assert page.value(COUNTER, filter='x') == 1


def test_the_space_of_the_files_is_reserved(page, tmp_path):
    metrics.count(COUNTER, 'x')
    assert (tmp_path / 'counter_0.db').stat().st_blocks * 512 >= 2 ** 20
