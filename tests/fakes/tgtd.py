# SPDX-License-Identifier: Apache-2.0
"""A tgtd in memory that answers as an executor for tgtadm, with the output, exit codes and words of
tgt 1.0.85."""
import dataclasses

from oslo_concurrency.processutils import ProcessExecutionError

_TARGET = '''Target {0.tid}: {0.iqn}
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
{1}    LUN information:
        LUN: 0
            Type: controller
            SCSI ID: IET     00010000
            Backing store type: null
            Backing store path: None
            Backing store flags:
{2}    Account information:
{3}    ACL information:
{4}'''
_SESSION = '''        I_T nexus: 3
            Initiator: {} alias: none
            Connection: 0
                IP Address: 127.0.0.1
'''
_UNIT = '''        LUN: 1
            Type: disk
            SCSI ID: IET     00010001
            Size: 67 MB, Block size: 512
            Online: Yes
            Readonly: {}
            SWP: No
            Backing store type: rdwr
            Backing store path: {}
            Backing store flags:
'''
_WORD = '        {}\n'


@dataclasses.dataclass
class Target:
    tid: int
    iqn: str
    path: str | None = None
    params: list[str] = dataclasses.field(default_factory=list)
    flags: str = ''
    read_only: bool = False
    accounts: list[str] = dataclasses.field(default_factory=list)
    acl: list[str] = dataclasses.field(default_factory=list)
    sessions: list[str] = dataclasses.field(default_factory=list)


class FakeTgtd:
    def __init__(self):
        self.targets: dict[int, Target] = {}
        self.accounts: dict[str, str] = {}
        self.commands: list[tuple[str, ...]] = []
        self.running = True
        self.taken_meanwhile: list[str] = []

    def create_account(self, name, secret):
        if not self.running:
            raise FileNotFoundError(2, 'No such file or directory')
        self.accounts.setdefault(name, secret)

    def named(self, iqn):
        return next((target for target in self.targets.values() if target.iqn == iqn), None)

    def __call__(self, *argv, **kwargs):
        self.commands.append(argv)
        if not self.running:
            self._error('failed to send request hdr to tgt daemon, Transport endpoint is not '
                        'connected', 107)
        words = [word for word in argv[3:] if word != '--force']
        options = dict(zip(words[::2], words[1::2], strict=True))
        mode, op = options['--mode'], options['--op']
        return getattr(self, f'_{mode}_{op}')(options) or '', ''

    def _error(self, words, code=22):
        raise ProcessExecutionError('', f'tgtadm: {words}\n', code, 'tgtadm')

    def _get(self, options):
        return self.targets.get(int(options['--tid'])) or self._error("can't find the target")

    def _target_show(self, options):
        return ''.join(_TARGET.format(
            target, ''.join(map(_SESSION.format, target.sessions)),
            _UNIT.format('Yes' if target.read_only else 'No', target.path) if target.path else '',
            ''.join(map(_WORD.format, target.accounts)), ''.join(map(_WORD.format, target.acl)))
            for target in self.targets.values())

    def _target_new(self, options):
        if self.taken_meanwhile:
            self.targets[int(options['--tid'])] = Target(int(options['--tid']),
                                                         self.taken_meanwhile.pop())
        tid, iqn = int(options['--tid']), options['--targetname']
        if tid in self.targets or self.named(iqn):
            self._error('this target already exists')
        self.targets[tid] = Target(tid, iqn)

    def _target_delete(self, options):
        del self.targets[self._get(options).tid]

    def _target_bind(self, options):
        acl = self._get(options).acl
        name = options.get('--initiator-address') or options['--initiator-name']
        if name in acl:
            self._error('this access control rule already exists')
        acl.append(name)

    def _target_unbind(self, options):
        acl = self._get(options).acl
        name = options.get('--initiator-address') or options['--initiator-name']
        if name not in acl:
            self._error('this access control rule does not exist')
        acl.remove(name)

    def _conn_delete(self, options):
        assert (options['--sid'], options['--cid']) == ('3', '0')
        self._get(options).sessions.pop()

    def _logicalunit_new(self, options):
        target = self._get(options)
        if target.path:
            self._error('this logical unit number already exists')
        target.path, target.flags = options['--backing-store'], options.get('--bsoflags', '')
        target.read_only = False

    def _logicalunit_delete(self, options):
        target = self._get(options)
        if not target.path:
            self._error("can't find the logical unit")
        target.path, target.sessions = None, []

    def _logicalunit_update(self, options):
        name, _, value = options['--params'].partition('=')
        if name == 'readonly':
            self._get(options).read_only = value == '1'
        else:
            self._get(options).params += options['--params'].split(',')

    def _account_bind(self, options):
        name = options['--user']
        if name not in self.accounts:
            self._error("can't find the account")
        if name in self._get(options).accounts:
            self._error('this account already exists')
        self._get(options).accounts.append(name)

    def _account_unbind(self, options):
        self._get(options).accounts.remove(options['--user'])

    def _account_delete(self, options):
        if self.accounts.pop(options['--user'], None) is None:
            self._error("can't find the account")
