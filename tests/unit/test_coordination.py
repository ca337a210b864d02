# SPDX-License-Identifier: Apache-2.0
"""Locks kept in files: between threads, between processes, with a time limit."""
import subprocess
import sys
import threading
import time

import pytest

from cinder import coordination, exception
from cinder.conf import CONF

HOLDER = '''
import sys
from cinder import coordination
with coordination.Coordinator(sys.argv[1]).lock('a volume/with: odd name'):
    print('held', flush=True)
    sys.stdin.read()
'''


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
        assert set(coordinator._local) == {'one', 'two'}


def test_waiting_in_the_same_process_ends_in_time(coordinator):
    with coordinator.lock('one'), pytest.raises(exception.LockCreationFailed):
        coordinator.lock('one', timeout=0.05).__enter__()
    with coordinator.lock('one', timeout=0.05):
        pass


def test_another_process_holds_the_lock_until_it_dies(coordinator, url):
    holder = subprocess.Popen([sys.executable, '-c', HOLDER, url], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b'held\n'
        with pytest.raises(exception.LockCreationFailed):
            coordinator.lock('a volume/with: odd name', timeout=0.1).__enter__()
    finally:
        holder.kill()
        holder.communicate()
    with coordinator.lock('a volume/with: odd name', timeout=2):
        pass


def test_an_error_inside_releases_the_lock(coordinator):
    with pytest.raises(ZeroDivisionError), coordinator.lock('one'):
        raise ZeroDivisionError
    with coordinator.lock('one', timeout=0.05):
        pass


@pytest.mark.parametrize('url', ['nosuch://x', 'file:///dev/null/x'])
def test_a_useless_lock_service_is_named(url):
    with pytest.raises(exception.LockCreationFailed) as caught:
        coordination.Coordinator(url).start()
    assert url.partition(':')[0] in str(caught.value)


@pytest.mark.parametrize(('url', 'words'), [
    ('', 'empty'), ('nonsense', 'no lock service nonsense'), ('pigeon://h', 'no lock service'),
    ('file://tmp/locks', 'not of the form'), ('file:///proc/no/such', '/proc'),
    ('file:///dev/null', 'not a folder'), ('file:///tmp/x?timeout=soon', 'soon'),
    ('redis://u:s3cret@h:99999', 'Port out of range'), ('etcd3+http://h:soon', 'soon'),
    ('zookeeper://u:s3cret@h', 'kazoo is not installed')])
def test_a_wrong_url_is_one_line_at_start(url, words):
    CONF.set_override('backend_url', url, 'coordination')
    try:
        (problem,) = coordination.check(CONF)
    finally:
        CONF.clear_override('backend_url', 'coordination')
    assert problem.fatal and '[coordination] backend_url' in problem.text
    assert words in problem.text and 's3cret' not in problem.text and '\n' not in problem.text
