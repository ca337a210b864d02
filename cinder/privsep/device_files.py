# SPDX-License-Identifier: Apache-2.0
"""Opens block devices of root for this service: the helper opens the device and sends the
descriptor over a Unix socket, so no owner or mode of a device changes, and nothing remains when a
process dies."""
import os
import socket
import stat
import struct
import uuid

from cinder import concurrency, exception, privsep

_ROOT = 0


def open_file(path: str, writable: bool = False) -> int:
    """Return a descriptor of a device or regular file, which the caller closes.

    :raises OSError: it does not exist, or neither this process nor the helper may open it
    """
    try:
        return os.open(path, _flags(writable))
    except PermissionError:
        if not stat.S_ISBLK(os.stat(path).st_mode):
            raise
    # Of the original module: the helper connects while the green threads of this process wait.
    sockets = concurrency.original('socket')
    # Without a file, because the helper has no right to enter a directory of the service.
    name = f'\0cinder-{uuid.uuid4().hex}'
    with sockets.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(name)
        listener.listen(1)
        _send(path, writable, name[1:])
        sender, _address = listener.accept()
        with sender:
            return _receive(sender, path)


def _receive(sender: socket.socket, path: str) -> int:
    # struct ucred: process, user and group, see unix(7).
    credentials = sender.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize('3i'))
    if struct.unpack('3i', credentials)[1] != _ROOT:
        raise exception.VolumeBackendAPIException(
            data=f'{path} was not opened: another process than the privileged helper answered')
    _data, descriptors, _flags_, _address = socket.recv_fds(sender, 1, 1)
    if not descriptors:
        raise OSError(f'{path}: the privileged helper sent no descriptor')
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]


@privsep.as_root_pctxt.entrypoint
def _send(path: str, writable: bool, name: str) -> None:
    """Open a block device and send its descriptor.

    :raises OSError: it cannot be opened, or is no block device
    """
    descriptor = os.open(path, _flags(writable))
    try:
        if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
            raise PermissionError(f'{path} is not a block device')
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(f'\0{name}')
            socket.send_fds(connection, [b'd'], [descriptor])
    finally:
        os.close(descriptor)


def _flags(writable: bool) -> int:
    return (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
