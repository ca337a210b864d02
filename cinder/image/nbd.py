# SPDX-License-Identifier: Apache-2.0
"""A server of the NBD protocol for one program, over a socket that only this program inherits: what
it writes to its disk is given to functions of the caller, so that it needs neither a file for its
output nor the right to open the target. https://github.com/NetworkBlockDevice/nbd, doc/proto.md"""
import errno
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from cinder import concurrency

# Most bytes of a request: qemu-img takes buffers of this size, and so does this process, for what
# it encrypts several times.
_LARGEST = 1024 ** 2
# Seconds until the rest of a request must have come, and between two calls of check().
PATIENCE, _LOOKS = 60, 0.25
_OPTION, _REPLY = struct.Struct('>8sII'), struct.Struct('>QIII')
_REQUEST, _ANSWER = struct.Struct('>IHHQQI'), struct.Struct('>IIQ')
_OPTION_MAGIC, _REPLY_MAGIC = b'IHAVEOPT', 0x3E889045565A9
_REQUEST_MAGIC, _ANSWER_MAGIC = 0x25609513, 0x67446698
# Handshake: fixed newstyle, no zeros behind it.
_HELLO = b'NBDMAGIC' + _OPTION_MAGIC + struct.pack('>H', 3)
_GO, _INFO, _ACK, _UNSUPPORTED = 7, 3, 1, 0x80000001
# Transmission: flags follow; flush and write zeros are possible.
_FLAGS = 1 | 4 | 64
_WRITE, _END, _FLUSH, _ZERO = 1, 2, 3, 6


class Target(NamedTuple):
    """Where the data goes; ranges are in bytes.

    :ivar size: of the disk
    :ivar write: function(offset, data)
    :ivar zero: function(offset, length): the range must read zeros
    :ivar check: called at least four times a second while the program sends nothing
    """

    size: int
    write: Callable[[int, bytes], None]
    zero: Callable[[int, int], None]
    check: Callable[[], None]


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the socket of this process and that of the program, which inherits the second one."""
    ours, theirs = concurrency.original('socket').socketpair()
    ours.settimeout(PATIENCE)
    return ours, theirs


def serve(connection: socket.socket, target: Target, run: Callable[..., int]) -> bool:
    """Answer the requests of a program until it disconnects; return whether it took its leave. An
    error of the target, or of its check(), ends this.

    :param run: function(function, *arguments) that keeps other threads of this process going
    """
    try:
        _greet(connection, target, run)
        while True:
            kind, offset, length, data = _next(connection, target, run)
            if kind == _END:
                return True
            if kind == _WRITE:
                target.write(offset, data)
            elif kind == _ZERO:
                target.zero(offset, length)
    except (EOFError, ConnectionError):
        return False


def _greet(connection: socket.socket, target: Target, run: Callable[..., int]) -> None:
    """Agree on the disk, which is the only one, whatever its name."""
    connection.sendall(_HELLO)
    _received(connection, 4, target, run)  # flags of the client
    option = None
    while option != _GO:
        magic, option, length = _OPTION.unpack(
            _received(connection, _OPTION.size, target, run))
        if magic != _OPTION_MAGIC or length > _LARGEST:
            raise ConnectionError('no option of NBD')
        _received(connection, length, target, run)
        if option != _GO:
            connection.sendall(_REPLY.pack(_REPLY_MAGIC, option, _UNSUPPORTED, 0))
    for kind, body in ((_INFO, struct.pack('>HQH', 0, target.size, _FLAGS)),
                       (_INFO, struct.pack('>HIII', 3, 1, 4096, _LARGEST)), (_ACK, b'')):
        connection.sendall(_REPLY.pack(_REPLY_MAGIC, _GO, kind, len(body)) + body)


def _next(connection: socket.socket, target: Target,
          run: Callable[..., int]) -> tuple[int, int, int, bytes]:
    """Return the next request, with its data; it is answered here, because what the caller fails at
    ends the program."""
    magic, _flags, kind, handle, offset, length = _REQUEST.unpack(
        _received(connection, _REQUEST.size, target, run))
    if magic != _REQUEST_MAGIC or (kind == _WRITE and length > _LARGEST):
        raise ConnectionError('no request of NBD')
    data = _received(connection, length, target, run) if kind == _WRITE else b''
    if kind != _END:
        fails = 0 if kind in (_WRITE, _FLUSH, _ZERO) else errno.EINVAL
        connection.sendall(_ANSWER.pack(_ANSWER_MAGIC, fails, handle))
    return kind, offset, length, data


def _wait(connection: socket.socket, target: Target) -> None:
    while not concurrency.is_readable(connection.fileno(), _LOOKS):
        target.check()


def _received(connection: socket.socket, size: int, target: Target,
              run: Callable[..., int]) -> bytes:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        # The program may stop in the middle of a request, too.
        _wait(connection, target)
        done = run(connection.recv_into, rest)
        if not done:
            raise EOFError
        rest = rest[done:]
    return bytes(data)
