# SPDX-License-Identifier: Apache-2.0
"""A broker that is there and does not take what is configured ends a daemon at its start, with what
to do about it. A broker that is away is waited for, see test_processes.py."""
import pytest

from tests.functional.daemon import SECONDS, Daemon, sync


def ended(process: Daemon) -> str:
    """Run a daemon that the broker refuses; returns what it says about it."""
    sync(process)
    process.start()
    assert process._popen.wait(SECONDS) == 1, process.tail()
    text = process.text()
    assert 'Traceback' not in text and 'is unreachable' not in text
    (line,) = (line for line in text.splitlines() if 'message broker' in line)
    return line


@pytest.mark.parametrize('module', ['api', 'scheduler', 'volume'])
@pytest.mark.parametrize(('change', 'words'), [
    (('guest:guest', 'guest:s3cret'), 'refused the user or password'),
    (('/refusing', '/no-such-vhost'), 'no-such-vhost')])
def test_a_login_or_virtual_host_that_is_refused(daemon, broker, module, change, words):
    url = broker.url('refusing').replace(*change)
    line = ended(daemon(module, transport_url=url, host='node'))
    assert words in line and 's3cret' not in line


@pytest.mark.parametrize('module', ['scheduler', 'volume'])
def test_queues_that_are_declared_otherwise(daemon, broker, module):
    process = daemon(module, transport_url=broker.url(f'otherwise{module}'), host='node')
    sync(process)
    process.start()
    process.says('is up.')
    assert process.end() == 0
    process.log.unlink()
    process.sections['oslo_messaging_rabbit'] = {'rabbit_quorum_queue': 'true'}
    process.write()
    line = ended(process)
    assert "inequivalent arg 'x-queue-type'" in line or "inequivalent arg 'durable'" in line, line
    assert 'delete_queue' in line


def test_tls_where_the_broker_has_none(daemon, broker):
    process = daemon('scheduler', transport_url=broker.url('refusing'))
    process.sections['oslo_messaging_rabbit'] = {'ssl': 'true'}
    process.write()
    assert 'TLS' in ended(process)
