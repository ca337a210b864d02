# SPDX-License-Identifier: Apache-2.0
"""tgt, the target daemon in user space, configured through tgtadm(8). tgtd forgets all exports when
it stops; ensure_export restores them from the database."""
from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder import exception
from cinder.i18n import _
from cinder.privsep import command
from cinder.privsep import tgt as tgt_socket
from cinder.volume.driver_types import Executor
from cinder.volume.targets import iscsi, tgt_parser

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration

LOG = logging.getLogger(__name__)

_SECONDS = 20.0
_TRIES = 5
# The exit code of tgtadm is an errno; this one is ENOTCONN: no tgtd.
_NOT_RUNNING = 107
# SCSI caching mode page with the write cache bit off, as tgt-admin(8) sets it.
_NO_WRITE_CACHE = ('mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14'
                   ':0:0:0:0:0:0')


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


class TgtAdm(iscsi.ISCSITarget):
    """:param create_account: function (name, secret) that creates a CHAP account in tgtd"""

    def __init__(self, configuration: Configuration, execute: Executor,
                 create_account: Callable[[str, str], None] = tgt_socket.create_account) -> None:
        super().__init__(configuration, execute)
        self._create_account = create_account
        self._numbering = threading.Lock()

    # ----------------------------------------------------------- what iscsi.py asks for
    def _export(self, iqn: str, path: str, chap: iscsi.Chap | None,
                initiators: dict[str, bool] | None) -> int:
        shown = self._target(iqn)
        if shown.path not in (None, path):
            self._unit('delete', shown.tid)
            shown.path, shown.read_only = None, False
        if shown.path is None:
            self._new_unit(shown.tid, path)
        # Before initiators are allowed, so that none gets access without CHAP.
        self._authenticate(shown, chap)
        if initiators != {}:
            self._let_in(shown, initiators)
        return shown.tid

    def _allow(self, iqn: str, initiators: dict[str, bool] | None,
               chap: iscsi.Chap | None) -> None:
        shown = self._show().get(iqn)
        if shown is None:
            raise Missing(data=f'target {iqn} no longer exists')
        self._let_in(shown, initiators)

    def _let_in(self, shown: tgt_parser.Shown, initiators: dict[str, bool] | None) -> None:
        # tgt sets this for the logical unit, not for an initiator, so it is set if no initiator may
        # write.
        others = set(shown.allowed) - set(initiators or ())
        read_only = bool(initiators and all(initiators.values())) and (
            not others or shown.read_only)
        if read_only != shown.read_only:
            self._unit('update', shown.tid, '--params', f'readonly={int(read_only)}')
        names = {'--initiator-address': ['ALL']} if initiators is None else {
            '--initiator-name': initiators}
        for option, each in names.items():
            for name in each:
                if name not in shown.allowed:
                    self._quietly(Exists, 'target', 'bind', '--tid', shown.tid, option, name)

    def _forbid(self, iqn: str, initiator: str) -> None:
        """Remove the name first, else the initiator would log in again."""
        shown = self._shown(iqn)
        if shown is None:
            return
        if initiator in shown.allowed:
            self._quietly(Missing, 'target', 'unbind', '--tid', shown.tid, '--initiator-name',
                          initiator)
        for name, session, connection in shown.sessions:
            if name == initiator:
                self._quietly(Missing, 'conn', 'delete', '--tid', shown.tid, '--sid', session,
                              '--cid', connection)

    def _present(self) -> dict[str, tgt_parser.Shown]:
        # Unlike exports(), this fails while tgtd does not run: exports cannot be restored before it
        # runs.
        return self._show()

    def _sessions(self, iqn: str) -> set[str]:
        shown = self._shown(iqn)
        return shown.initiators if shown else set()

    def _shown(self, iqn: str) -> tgt_parser.Shown | None:
        """Return the target, or None when it does not exist or tgtd is not running."""
        try:
            return self._show().get(iqn)
        except NotRunning:
            LOG.warning('tgtd is not running, so it does not export %s', iqn)
            return None

    def _remove(self, iqn: str, chap: iscsi.Chap | None) -> None:
        shown = self._shown(iqn)
        if shown is None:
            return
        if shown.initiators:
            LOG.warning('%s is removed while %s is logged in', iqn,
                        ', '.join(sorted(shown.initiators)))
        # --force ends sessions: an attachment that has ended must not go on writing.
        self._quietly(Missing, 'target', 'delete', '--force', '--tid', shown.tid)
        for name in shown.accounts:
            self._drop_account(name)

    def exports(self) -> dict[str, list[str]]:
        try:
            return {name: sorted(shown.initiators) for name, shown in self._show().items()}
        except NotRunning:
            return {}

    def extend(self, volume: Volume, path: str) -> None:
        """Open the file again, because tgtd reads the size only then. That would end a session, so
        while initiators are logged in the new size appears with the next attachment."""
        shown = self._show().get(self.iqn(volume)) if volume.provider_location else None
        if shown is None or shown.path is None:
            return
        if shown.initiators:
            LOG.warning('%s was extended; %s sees the new size when it is attached again',
                        shown.iqn, ', '.join(sorted(shown.initiators)))
            return
        self._unit('delete', shown.tid)
        self._new_unit(shown.tid, path)
        if shown.read_only:
            self._unit('update', shown.tid, '--params', 'readonly=1')

    # -------------------------------------------------------------------------- parts
    def _target(self, iqn: str) -> tgt_parser.Shown:
        """Return the target; create it if it does not exist.

        The caller chooses the number, and other back ends use the same tgtd, so the next number is
        tried until it is free.
        """
        with self._numbering:
            for _attempt in range(_TRIES):
                there = self._show()
                if iqn in there:
                    return there[iqn]
                tid = 1 + max((shown.tid for shown in there.values()), default=0)
                try:
                    self._tgtadm('target', 'new', '--tid', tid, '--targetname', iqn)
                except Exists:
                    continue
                return tgt_parser.Shown(tid, iqn)
        raise TgtError(data=f'no free target number for {iqn} in {_TRIES} attempts')

    def _new_unit(self, tid: int, path: str) -> None:
        config = self.configuration
        flags = config.iscsi_target_flags
        self._unit('new', tid, '--backing-store', path,
                   *(('--bsoflags', flags) if flags else ()))
        if config.iscsi_write_cache == 'off':
            self._unit('update', tid, '--params', _NO_WRITE_CACHE)
        if config.report_discard_supported:
            self._unit('update', tid, '--params', 'thin_provisioning=1')

    def _authenticate(self, shown: tgt_parser.Shown, chap: iscsi.Chap | None) -> None:
        wanted = chap.name if chap else None
        for name in set(shown.accounts) - {wanted}:
            # The account of an attempt whose secret was never stored.
            self._quietly(Missing, 'account', 'unbind', '--tid', shown.tid, '--user', name)
            self._drop_account(name)
        if chap and wanted not in shown.accounts:
            try:
                self._create_account(chap.name, chap.secret)
            except OSError as exc:
                raise TgtError(data=f'account {chap.name}: {exc}') from exc
            self._quietly(Exists, 'account', 'bind', '--tid', shown.tid, '--user', chap.name)

    def _drop_account(self, name: str) -> None:
        """Delete an account, which belongs to tgtd and not to a target; an account that all volumes
        share stays."""
        if name != self.configuration.chap_username:
            self._quietly(Missing, 'account', 'delete', '--user', name)

    def _unit(self, op: str, tid: int, *argv: object) -> None:
        self._quietly(Missing if op == 'delete' else Exists, 'logicalunit', op, '--tid', tid,
                      '--lun', iscsi.LUN, *argv)

    def _show(self) -> dict[str, tgt_parser.Shown]:
        return tgt_parser.parse(self._tgtadm('target', 'show'))

    def _quietly(self, expected: type[TgtError], mode: str, op: str, *argv: object) -> None:
        try:
            self._tgtadm(mode, op, *argv)
        except expected:
            LOG.debug('tgtadm %s %s: already done', mode, op)

    def _tgtadm(self, mode: str, op: str, *argv: object) -> str:
        socket = os.environ.get('TGT_IPC_SOCKET')
        try:
            out, _err = self._execute(
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
