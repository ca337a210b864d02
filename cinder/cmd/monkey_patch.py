# SPDX-License-Identifier: Apache-2.0
"""Imported first by each daemon: makes the standard library cooperate with eventlet.

The only place that patches anything; what is imported later sees the patched modules.
"""
import os
import socket
import sys

from cinder import lazy_import

# A profiler, which the backdoor of oslo.service offers.
lazy_import.load_when_used('yappi')
# dnspython would cost 10 MB and a quarter of the start-up time; see _getaddrinfo.
os.environ.setdefault('EVENTLET_NO_GREENDNS', 'yes')
# Native threads for short calls that wait for a disk and for name servers: brick.blocking divides
# them.
os.environ.setdefault('EVENTLET_THREADPOOL_SIZE', '20')

# eventlet would load pyOpenSSL where it is installed, 8 MB, for the name of an exception. TLS is
# that of the standard library.
_absent = 'OpenSSL' not in sys.modules
if _absent:
    sys.modules['OpenSSL'] = None

import eventlet  # noqa: E402
import eventlet.green.socket  # noqa: E402
import eventlet.tpool  # noqa: E402

if _absent:
    del sys.modules['OpenSSL']
eventlet.monkey_patch()

_lookup = socket.getaddrinfo


def _getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """Look up in a thread what needs a name server: a slow one must not stop all green threads."""
    try:
        return _lookup(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return eventlet.tpool.execute(_lookup, host, port, family, type, proto, flags)


socket.getaddrinfo = eventlet.green.socket.getaddrinfo = _getaddrinfo
