# SPDX-License-Identifier: Apache-2.0
"""CHAP accounts: what goes over tgtd's socket, and what its answers mean."""
import contextlib
import socket
import struct
import threading

import pytest

from cinder.privsep import tgt


@contextlib.contextmanager
def tgtd(path, answer):
    """A listener that takes one request and answers; gives what it was asked."""
    asked = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f'{path}.0')
        listener.listen()

        def serve():
            connection, _peer = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv('TGT_IPC_SOCKET', str(tmp_path / 'ipc'))
    return tmp_path / 'ipc'


@pytest.mark.parametrize('error', [0, 14])
def test_the_request(path, error):
    with tgtd(path, struct.pack('=II', error, 8)) as asked:
        tgt.create_account('name', 'secret')
    head, body = asked[0][:120], asked[0][120:]
    assert body == b'user=name,password=secret\0'
    mode, op, driver, length = struct.unpack_from('=II64sI', head)
    assert (mode, op, driver.rstrip(b'\0'), length) == (7, 0, b'iscsi', 120 + len(body))


@pytest.mark.parametrize(('answer', 'words'), [
    (struct.pack('=II', 15, 8), 'refused account name: error 15'), (b'', 'did not answer')])
def test_a_refusal_names_the_account_and_not_the_secret(path, answer, words):
    with tgtd(path, answer), pytest.raises(OSError, match=words) as caught:
        tgt.create_account('name', 'secret')
    assert 'secret' not in str(caught.value)


def test_no_tgtd(path):
    with pytest.raises(FileNotFoundError):
        tgt.create_account('name', 'secret')
