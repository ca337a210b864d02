# SPDX-License-Identifier: Apache-2.0
"""Without a server around it: answers pass unchanged and are closed, whatever the connection is."""
import socket

import pytest

from cinder.wsgi import acknowledge


class Pieces(list):
    """An answer that notes that it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize('family', [None, socket.AF_INET, socket.AF_UNIX])
def test_an_answer_passes_and_is_closed(family):
    environ, pieces = {}, Pieces([b'a', b'b'])
    if family is not None:
        environ['gunicorn.socket'] = socket.socket(family)
    answer = acknowledge.Acknowledging(lambda *_args: pieces)(environ, None)
    assert list(answer) == [b'a', b'b'] and not pieces.closed
    answer.close()
    assert pieces.closed
