# SPDX-License-Identifier: Apache-2.0
"""Runs tgtadm(8) and raises what it refuses; tgt.py decides what to run."""
import os

from cinder import exception
from cinder.i18n import _
from cinder.privsep import command
from cinder.volume.driver_types import Executor

_SECONDS = 20.0
# The exit code of tgtadm is an errno; this one is ENOTCONN: no tgtd.
_NOT_RUNNING = 107


class TgtError(exception.VolumeBackendAPIException):
    message = _('tgtadm: %(data)s')


class NotRunning(TgtError):
    pass


class Late(TgtError, exception.BackendUnresponsive):
    """tgtd or the machine is busy: the command may still take effect, and repeating it is safe."""


class Exists(TgtError):
    pass


class Missing(TgtError):
    pass


# Texts of tgtadm 1.0.85 on stderr, all with exit code 22 (EINVAL).
_ERRORS = (('already exists', Exists), ("can't find", Missing), ('does not exist', Missing))


def run(execute: Executor, mode: str, op: str, *argv: object) -> str:
    """Run tgtadm and return its output.

    :param execute: as privsep.command.execute
    :raises TgtError: tgtd is not running, is late or refuses; see the subclasses
    """
    socket = os.environ.get('TGT_IPC_SOCKET')
    try:
        out, _err = execute(
            'tgtadm', '--lld', 'iscsi', '--mode', mode, '--op', op, *map(str, argv),
            run_as_root=True, timeout=_SECONDS,
            env_variables={'TGT_IPC_SOCKET': socket} if socket else None)
    except command.CommandOverdue as exc:
        raise Late(data=f'{mode} {op}: {exc.stderr}') from exc
    except exception.ProcessExecutionError as exc:
        text = (exc.stderr or '').strip()
        error = NotRunning if exc.exit_code == _NOT_RUNNING else next(
            (error for words, error in _ERRORS if words in text), TgtError)
        raise error(data=f'{mode} {op}: exit code {exc.exit_code}: {text}') from exc
    return str(out)
