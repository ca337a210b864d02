# SPDX-License-Identifier: Apache-2.0
"""No call to a key manager that accepts connections and is silent lasts longer than the option
says."""
import socket
import threading
import time

import pytest
from castellan.common import exception as castellan_exception
from castellan.key_manager import vault_key_manager

from cinder import context, exception
from cinder.conf import CONF
from cinder.keymgr import certificates, deadlines, keys
from tests.fakes import key_manager as fake

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 256}
SECONDS = 0.02
# Of a busy machine.
MARGIN = 5


@pytest.fixture
def silent():
    """A server that accepts connections, and neither answers nor closes them."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        server.listen(64)
        yield f'http://127.0.0.1:{server.getsockname()[1]}'


@pytest.fixture
def barbican(silent, database):
    fake.configure(fake.FIXED_KEY, 'barbican')
    for name, value in (('barbican_endpoint', silent), ('barbican_api_version', 'v1'),
                        ('auth_endpoint', f'{silent}/v3')):
        CONF.set_override(name, value, 'barbican')
    for name, value in (('auth_type', 'keystone_password'), ('user_id', 'cinder'),
                        ('password', 'secret'), ('auth_url', f'{silent}/v3'),
                        ('call_timeout', SECONDS)):
        CONF.set_override(name, value, 'key_manager')
    yield silent
    for name in ('barbican_endpoint', 'barbican_api_version', 'auth_endpoint'):
        CONF.clear_override(name, 'barbican')
    fake.clear()


@pytest.fixture(params=[{'root_token_id': 'x'}, {'approle_role_id': 'x'}], ids=['token', 'login'])
def vault(request, silent, database):
    CONF.register_opts(vault_key_manager._vault_opts, 'vault')
    for name, value in {'vault_url': silent, **request.param}.items():
        CONF.set_override(name, value, 'vault')
    fake.configure(fake.FIXED_KEY, 'vault')
    CONF.set_override('call_timeout', SECONDS, 'key_manager')
    yield silent
    for name in CONF.vault:
        CONF.clear_override(name, 'vault')
    fake.clear()


CALLER = context.RequestContext(user_id='u1', project_id='p1', auth_token='t', overwrite=False)
CALLS = {
    'create': lambda: keys.create(CALLER, SETTINGS),
    'copy': lambda: keys.copy(CALLER, 'k'),
    'passphrase': lambda: keys.passphrase(CALLER, 'k'),
    'take over': lambda: keys.take_over(CALLER, 'k'),
    'hand over': lambda: keys.hand_over(CALLER, 'k'),
    'let a user read': lambda: keys.let_user_read('k', 'u2'),
    'compare': lambda: keys.are_equal(CALLER, 'k', 'l'),
    'certificate': lambda: certificates.read(CALLER, 'i', 'k'),
}


@pytest.mark.parametrize('name', CALLS)
def test_each_call_ends_in_time(barbican, name):
    began = time.monotonic()
    with pytest.raises(exception.KeyManagerUnavailable) as told:
        CALLS[name]()
    assert told.value.code == 503
    assert time.monotonic() - began < MARGIN


# Those that send nothing to Vault, where keys have no owners.
WITHOUT_VAULT = {'let a user read'}


@pytest.mark.parametrize('name', sorted(CALLS.keys() - WITHOUT_VAULT))
def test_each_call_to_vault_ends_in_time(vault, name):
    began = time.monotonic()
    with pytest.raises(exception.KeyManagerUnavailable) as told:
        CALLS[name]()
    assert time.monotonic() - began < MARGIN
    assert deadlines.is_timeout(told.value)
    _ended()


@pytest.mark.parametrize('timeout', [None, 0.01, 60])
def test_sockets_of_vaults_client_end_too(vault, monkeypatch, timeout):
    """Whether castellan gives them a timeout or not. The next call is not sent."""
    made = keys.manager()
    monkeypatch.setattr(made, '_timeout', timeout, raising=False)
    monkeypatch.setattr(made.line, '_seconds', lambda: MARGIN)
    with pytest.raises(castellan_exception.KeyManagerError) as told:
        made.get(CALLER, 'k')
    assert deadlines.is_timeout(told.value)
    with pytest.raises(deadlines.NotAsked):
        made.get(CALLER, 'k')


@pytest.mark.parametrize('ask', [lambda: keys.share(CALLER, 'k'),
                                 lambda: keys.release(CALLER, 'k', None)])
def test_what_is_only_tried_fails_in_time(barbican, ask):
    began = time.monotonic()
    assert not ask()
    assert time.monotonic() - began < MARGIN


def test_every_method_of_the_manager_is_bounded(barbican):
    made = keys.manager()
    methods = {name for name in dir(type(made)) if not name.startswith('_')}
    assert methods > {'create_key', 'store', 'get', 'delete', 'list', 'add_consumer'}
    for name in methods:
        assert getattr(made, name).func == made.line.call, name


@pytest.mark.parametrize('timeout', [None, 0.01])
def test_sockets_of_barbicans_client_end_too(barbican, timeout):
    """So that no thread is left behind for ever."""
    CONF.set_override('timeout', timeout, 'barbican')
    made = keys.manager()
    assert deadlines.session_of(made).timeout == (timeout or SECONDS)
    CONF.clear_override('timeout', 'barbican')
    with pytest.raises(exception.KeyManagerUnavailable):
        keys.create(CALLER, SETTINGS)
    for thread in threading.enumerate():
        if thread.name == 'key-manager':
            thread.join(MARGIN)
            assert not thread.is_alive()


# ------------------------------------------------------------------------------ a line of calls
@pytest.fixture
def line(monkeypatch):
    monkeypatch.setattr(deadlines, 'PATIENCE', SECONDS)
    return deadlines.Line(lambda: SECONDS, pause=60)


def test_results_and_errors_are_those_of_the_function(line):
    assert line.call(lambda one, two: (one, two), 1, two=2) == (1, 2)
    assert line.call(line.call, threading.current_thread).name == 'key-manager'
    with pytest.raises(KeyError, match='none'):
        line.call({}.__getitem__, 'none')


def test_while_it_is_silent_calls_fail_at_once(line):
    """So that requests and operations hold no thread while others could use it."""
    answer, asked = threading.Event(), []
    with pytest.raises(deadlines.Silent, match='for 0.02 seconds'):
        line.call(answer.wait)
    with pytest.raises(deadlines.Silent, match='earlier calls'):
        line.call(asked.append, 1)
    assert not asked
    answer.set()
    _ended()
    line.call(asked.append, 2)
    assert asked == [2]


def test_one_call_in_a_while_finds_out_whether_it_answers(line, monkeypatch):
    monkeypatch.setattr(line, '_pause', 0)
    answer = threading.Event()
    for _attempt in range(2):
        with pytest.raises(deadlines.Silent, match='for 0.02 seconds'):
            line.call(answer.wait)
    assert line.call(lambda: 'it does') == 'it does'
    monkeypatch.setattr(line, '_pause', 60)
    line.call(int)
    answer.set()


def test_with_many_calls_left_behind_the_pause_is_longer(line, monkeypatch):
    monkeypatch.setattr(deadlines, 'MOST_LEFT', 1)
    monkeypatch.setattr(line, '_pause', 0)
    answer = threading.Event()
    for _attempt in range(2):
        with pytest.raises(deadlines.Silent):
            line.call(answer.wait)
    with pytest.raises(deadlines.Silent, match='earlier calls'):
        line.call(int)
    answer.set()


def test_the_timeout_of_a_client_counts_as_silence(line):
    def ask():
        try:
            raise TimeoutError('read timed out')
        except TimeoutError as exc:
            raise ValueError('castellan hides it') from exc
    with pytest.raises(ValueError, match='castellan'):
        line.call(ask)
    with pytest.raises(deadlines.Silent, match='earlier calls'):
        line.call(int)


def _ended():
    for thread in threading.enumerate():
        if thread.name == 'key-manager':
            thread.join(MARGIN)
            assert not thread.is_alive()
