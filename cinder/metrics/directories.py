# SPDX-License-Identifier: Apache-2.0
"""The temporary directory that the processes of a daemon share for their metrics. It is removed
when the daemon ends, or when the next one starts, if it was killed."""
import atexit
import contextlib
import fcntl
import glob
import os
import shutil
import tempfile

# File whose lock shows that a process of the daemon lives: forked processes inherit the lock.
_LOCK = 'daemon'
_PREFIX = 'cinder-metrics-'
# Path of each directory that this process made -> the descriptor of the lock.
_made: dict[str, int] = {}


def shared(path: str | None) -> str | None:
    """Return the path of a directory that an operator has chosen, which exists then; None: none was
    chosen."""
    if path:
        os.makedirs(path, mode=0o700, exist_ok=True)
    return path or None


def create(program: str) -> str:
    """Create a directory for this daemon, and remove those of daemons that have ended."""
    _remove_left()
    path = tempfile.mkdtemp(prefix=f'{_PREFIX}{program}-')
    # Under another name until it is locked: other daemons remove what has a free lock.
    new = os.path.join(path, 'new')
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(new, os.path.join(path, _LOCK))
    _made[path] = descriptor
    atexit.register(remove, os.getpid())
    return path


def remove(creator: int | None = None) -> None:
    """Remove the directories that this process has created; it ends.

    :param creator: the process whose end it is; forked processes do nothing
    """
    if creator in (None, os.getpid()):
        for path in _made:
            shutil.rmtree(path, ignore_errors=True)


def _remove_left() -> None:
    pattern = os.path.join(glob.escape(tempfile.gettempdir()), f'{_PREFIX}*', _LOCK)
    for lock in glob.glob(pattern):
        with contextlib.suppress(OSError):
            if os.stat(lock).st_uid == os.geteuid() and not _is_held(lock):
                shutil.rmtree(os.path.dirname(lock), ignore_errors=True)


def _is_held(lock: str) -> bool:
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
