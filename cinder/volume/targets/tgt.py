# SPDX-License-Identifier: Apache-2.0
"""tgt, the target daemon in user space, configured through tgtadm(8). tgtd forgets all exports when
it stops; ensure_export restores them from the database."""
from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cinder.privsep import tgt as tgt_socket
from cinder.volume.driver_types import Executor
from cinder.volume.targets import base, iscsi, tgt_files, tgt_parser, tgtadm
from cinder.volume.targets.tgtadm import Exists, Missing, NotRunning, TgtError

if TYPE_CHECKING:
    from cinder.objects import Volume
    from cinder.volume.configuration import Configuration

LOG = logging.getLogger(__name__)

_TRIES = 5
# The address of all initiators.
_ANY = 'ALL'
# SCSI caching mode page with the write cache bit off, as tgt-admin(8) sets it.
_NO_WRITE_CACHE = ('mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14'
                   ':0:0:0:0:0:0')


class TgtAdm(iscsi.ISCSITarget):
    """:param create_account: function (name, secret) that creates a CHAP account in tgtd"""

    # Unit 0 of each target is its controller.
    LUNS = frozenset((iscsi.LUN,))

    def __init__(self, configuration: Configuration, execute: Executor,
                 create_account: Callable[[str, str], None] = tgt_socket.create_account) -> None:
        super().__init__(configuration, execute)
        self._create_account = create_account
        self._numbering = threading.Lock()

    # ----------------------------------------------------------- what iscsi.py asks for
    def _export(self, unit: iscsi.Unit, path: str, chap: iscsi.Chap | None,
                access: iscsi.Access) -> tuple[int, str]:
        shown = self._target(unit.iqn)
        if shown.path is not None and not base.is_same_device(shown.path, path):
            self._unit('delete', shown.tid)
            shown.path, shown.read_only = None, False
        if shown.path is None:
            self._new_unit(shown.tid, path)
        # Before initiators are allowed, so that none gets access without CHAP.
        self._authenticate(shown, chap)
        self._let_in(shown, access)
        return shown.tid, unit.serial

    def _allow(self, unit: iscsi.Unit, access: iscsi.Access, chap: iscsi.Chap | None) -> None:
        shown = self._show().get(unit.iqn)
        if shown is None:
            raise Missing(data=f'target {unit.iqn} no longer exists')
        self._let_in(shown, access)

    def _let_in(self, shown: tgt_parser.Shown, access: iscsi.Access) -> None:
        if access.initiators or access.strangers:
            self._set_read_only(shown, access)
        for name in access.initiators:
            if name not in shown.allowed:
                self._quietly(Exists, 'target', 'bind', '--tid', shown.tid, '--initiator-name',
                              name)
        address = (shown.tid, '--initiator-address', _ANY)
        if access.strangers and _ANY not in shown.allowed:
            self._quietly(Exists, 'target', 'bind', '--tid', *address)
        elif access.strangers is False and _ANY in shown.allowed:
            # tgt-admin(8) lets any initiator in. Sessions continue.
            self._quietly(Missing, 'target', 'unbind', '--tid', *address)
            LOG.info('%s admits only initiators with an attachment now: %s', shown.iqn,
                     ', '.join(access.initiators) or 'none')

    def _set_read_only(self, shown: tgt_parser.Shown, access: iscsi.Access) -> None:
        """Set whether the unit may be written: tgt sets this for the logical unit, not for an
        initiator, so it is read-only if no initiator may write."""
        others = set(shown.allowed) - set(access.initiators)
        if access.strangers is False:
            others -= {_ANY}
        read_only = (not access.strangers and all(access.initiators.values())
                     and (not others or shown.read_only))
        if read_only != shown.read_only:
            self._unit('update', shown.tid, '--params', f'readonly={int(read_only)}')

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

    def saved_exports(self) -> dict[str, str]:
        return tgt_files.find(self.configuration.volumes_dir)

    def forget_saved_exports(self, names: Collection[str]) -> None:
        tgt_files.remove(self.configuration.volumes_dir, names)

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
                    tgtadm.run(self._execute, 'target', 'new', '--tid', tid, '--targetname', iqn)
                except Exists:
                    continue
                return tgt_parser.Shown(tid, iqn)
        raise TgtError(data=f'no free target number for {iqn} in {_TRIES} attempts')

    def _new_unit(self, tid: int, path: str) -> None:
        config = self.configuration
        flags = config.iscsi_target_flags
        self._unit('new', tid, '--backing-store', path,
                   *(('--bsoflags', flags) if flags else ()))
        # As in the original Cinder, so that initiators recognize the unit after a restart of tgtd;
        # by default both contain the number of the target.
        name = os.path.basename(path)
        parameters = [f'scsi_id={name}', f'scsi_sn={name}',
                      *([_NO_WRITE_CACHE] if config.iscsi_write_cache == 'off' else ()),
                      *(['thin_provisioning=1'] if config.report_discard_supported else ())]
        self._unit('update', tid, '--params', ','.join(parameters))

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
        return tgt_parser.parse(tgtadm.run(self._execute, 'target', 'show'))

    def _quietly(self, expected: type[TgtError], mode: str, op: str, *argv: object) -> None:
        try:
            tgtadm.run(self._execute, mode, op, *argv)
        except expected:
            LOG.debug('tgtadm %s %s: already done', mode, op)
