# SPDX-License-Identifier: Apache-2.0
"""Locks kept in files: between threads, with a time limit; tests/functional/test_lock_files.py has
those between processes."""
import contextlib
import importlib.metadata
import threading
import time

import pytest

from cinder import coordination, exception
from cinder.conf import CONF
from cinder.coordination import checks, services


@pytest.fixture
def url(tmp_path):
    return f'file://{tmp_path}'


@pytest.fixture
def coordinator(url):
    made = coordination.Coordinator(url)
    # tooz imports eventlet, which hijacks the end of a thread that is the first to import it.
    made.start()
    yield made
    made.stop()


def test_threads_take_turns(coordinator):
    inside, worst = [], []

    def work():
        with coordinator.lock('one'):
            inside.append(1)
            worst.append(len(inside))
            time.sleep(0.01)
            inside.pop()
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert worst == [1] * 5
    assert coordinator._local == {}


def test_different_names_do_not_wait_for_each_other(coordinator):
    with coordinator.lock('one'), coordinator.lock('two', timeout=0.5):
        assert set(coordinator._local) == {'cinder-one', 'cinder-two'}


def test_waiting_in_the_same_process_ends_in_time(coordinator):
    with coordinator.lock('one'), pytest.raises(exception.LockCreationFailed):
        coordinator.lock('one', timeout=0.05).__enter__()
    with coordinator.lock('one', timeout=0.05):
        pass


def test_an_error_inside_releases_the_lock(coordinator):
    with pytest.raises(ZeroDivisionError), coordinator.lock('one'):
        raise ZeroDivisionError
    with coordinator.lock('one', timeout=0.05):
        pass


def test_those_who_share_a_lock_wait_for_it_no_longer_than_they_want(coordinator):
    """The first one, and who waits behind it; then it is theirs together."""
    refused, threads = [], []

    def ask():
        with pytest.raises(exception.LockTimeout), coordinator.shared('one', timeout=0.05):
            pass
        refused.append(1)

    with coordinator.lock('one'):
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert refused == [1] * 3 and coordinator._shared == {}
    with (coordinator.shared('one', timeout=0.05), coordinator.shared('one', timeout=0.05),
          pytest.raises(exception.LockTimeout), coordinator.lock('one', timeout=0.01)):
        pass
    with coordinator.lock('one', timeout=0.05):
        pass


# ------------------------------------------------------------------------- what is left of files
def left(tmp_path) -> list[str]:
    return [path.name for path in tmp_path.iterdir() if path.name.startswith('cinder-')]


def test_a_file_is_there_as_long_as_the_lock_is_held(coordinator, tmp_path):
    with coordinator.lock('one'):
        assert left(tmp_path) == ['cinder-one']
    with pytest.raises(ZeroDivisionError), coordinator.lock('one'):
        raise ZeroDivisionError
    assert left(tmp_path) == []


def test_names_of_one_file_are_one_lock(coordinator):
    with coordinator.lock('a/b'), pytest.raises(exception.LockCreationFailed):
        coordinator.lock('a:b', timeout=0.05).__enter__()


def test_parameters_of_the_url_are_no_part_of_the_folder(tmp_path):
    locks = coordination.Coordinator(f'file://{tmp_path}/locks?timeout=5')
    with locks.lock('one'):
        assert left(tmp_path / 'locks') == ['cinder-one']


@pytest.mark.parametrize('url', ['nosuch://x', 'file:///dev/null/x'])
def test_a_useless_lock_service_is_named(url):
    with pytest.raises(exception.LockCreationFailed) as caught:
        coordination.Coordinator(url).start()
    assert url.partition(':')[0] in str(caught.value)


@pytest.mark.parametrize(('url', 'words'), [
    ('', 'empty'), ('nonsense', 'no lock service nonsense'), ('pigeon://h', 'no lock service'),
    ('file://tmp/locks', 'does not have the form'), ('file:///proc/no/such', '/proc'),
    ('file:///dev/null', 'not a directory'), ('file:///tmp?timeout=soon', 'soon'),
    ('redis://u:s3cret@h:99999', 'Port out of range'), ('etcd3+http://h:soon', 'soon'),
    ('zookeeper://u:s3cret@h', 'kazoo is not installed')])
def test_a_wrong_url_is_one_line_at_start(url, words):
    CONF.set_override('backend_url', url, 'coordination')
    try:
        (problem,) = checks.check(CONF)
    finally:
        CONF.clear_override('backend_url', 'coordination')
    assert problem.fatal and '[coordination] backend_url' in problem.text
    assert words in problem.text and 's3cret' not in problem.text and '\n' not in problem.text


@pytest.mark.parametrize(('url', 'words'), [
    ('file:///srv/locks', 'provides locks for one host only'), ('ipc://',
                                                                'provides locks for one host only'),
    ('etcd3+http://h:2379', None), ('redis://u:s3cret@h', None)])
def test_a_cluster_needs_locks_between_hosts(url, words):
    CONF.set_override('backend_url', url, 'coordination')
    try:
        assert list(checks.check_cluster(CONF)) == []
        CONF.set_override('cluster', 'c')
        found = list(checks.check_cluster(CONF))
        CONF.set_override('backend_url', 'postgresql://u:s3cret@h/x', 'coordination')
        warning, = checks.check_cluster(CONF)
    finally:
        CONF.clear_override('backend_url', 'coordination')
        CONF.clear_override('cluster')
    assert len(found) == (words is not None)
    for problem in found:
        assert problem.fatal and '\n' not in problem.text and words in problem.text
        assert url in problem.text and 'cluster = c' in problem.text
    assert not warning.fatal and 's3cret' not in warning.text
    assert 'has lost a lock' in warning.text


def test_a_service_over_http_keeps_its_connections():
    pytest.importorskip('etcd3gw')
    session = services.make('etcd3+http://h').client.session
    assert {session.get_adapter(start).poolmanager.connection_pool_kw['maxsize']
            for start in ('http://', 'https://')} == {services.CONNECTIONS}


def test_the_table_says_what_tooz_says_of_its_drivers():
    from tooz.coordination import Characteristics
    told = {}
    for entry in importlib.metadata.entry_points(group='tooz.backends'):
        assert entry.name in services.SERVICES
        with contextlib.suppress(ImportError):
            told[entry.name] = (Characteristics.DISTRIBUTED_ACROSS_HOSTS
                                in entry.load().CHARACTERISTICS)
    assert told['file'] is False
    for scheme, between_hosts in told.items():
        # A server for many hosts, whose driver leaves that out.
        if not scheme.startswith('etcd'):
            assert services.SERVICES[scheme].between_hosts == between_hosts, scheme
