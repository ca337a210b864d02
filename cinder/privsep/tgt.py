# SPDX-License-Identifier: Apache-2.0
"""CHAP accounts of tgtd through its management socket. Only this request does not use tgtadm,
because tgtadm accepts a secret only on its command line, which every user of the host can read."""
import os
import socket
import struct

from cinder import privsep

# struct tgtadm_req and tgtadm_rsp of tgt's usr/tgtadm.h, in the byte order of the host; the same
# since tgt 1.0.27 (2012).
_REQUEST = struct.Struct('=II64sIiQQIIIIII')
_RESPONSE = struct.Struct('=II')
_MODE_ACCOUNT = 7
_OP_NEW = 0
# enum tgtadm_errno in tgtadm_error.h
_USER_EXISTS = 14
_SOCKET = '/var/run/tgtd/socket'
_SECONDS = 20.0


def create_account(name: str, secret: str) -> None:
    """Create a CHAP account in tgtd; an existing account of that name is not changed.

    :raises OSError: tgtd is not running, does not answer, or refuses the account
    """
    # The path that tgtadm(8) uses; the control port is the default, 0.
    _create_account(name, secret, os.environ.get('TGT_IPC_SOCKET', _SOCKET) + '.0')


@privsep.as_root_pctxt.entrypoint
def _create_account(name: str, secret: str, path: str) -> None:
    body = f'user={name},password={secret}'.encode() + b'\0'
    head = _REQUEST.pack(_MODE_ACCOUNT, _OP_NEW, b'iscsi', _REQUEST.size + len(body),
                         0, 0, 0, 0, 0, 0, 0, 0, 0)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(path)
        connection.sendall(head + body)
        answer = connection.recv(_RESPONSE.size, socket.MSG_WAITALL)
    if len(answer) != _RESPONSE.size:
        raise OSError(f'tgtd did not answer for account {name}')
    error, _length = _RESPONSE.unpack(answer)
    if error not in (0, _USER_EXISTS):
        raise OSError(f'tgtd refused account {name}: error {error}')
