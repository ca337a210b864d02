# SPDX-License-Identifier: Apache-2.0
"""A volume group in memory that answers as an executor, with the reports, exit codes and words of
LVM 2.03.16 as seen on a real kernel; dd on its devices is answered too."""
import contextlib
import dataclasses
import json

from oslo_concurrency.processutils import ProcessExecutionError

from cinder.privsep.command import CommandOverdue

MIB = 1024 ** 2
GIB = 1024 ** 3
EXTENT = 4 * MIB
FAILED = 5
_VALUE_OPTIONS = {'-n', '-L', '-l', '-V', '-m', '-o', '--reportformat', '--units',
                  '--poolmetadatasize', '--config', '-i', '--poll'}


@dataclasses.dataclass
class Volume:
    """A logical volume; `kind` is the first letter of lv_attr. `data` is its start."""

    name: str
    size: int
    kind: str = '-'
    pool: str = ''
    origin: str = ''
    active: bool = True
    skip: bool = False
    open: bool = False
    readonly: bool = False
    data: bytes = b''
    thin_id: int | None = None
    suspended: bool = False


@dataclasses.dataclass
class Failure:
    program: str
    exit_code: int | None
    stderr: str
    stdout: str
    after: bool
    times: int


class FakeVolumeGroup:
    """:param size: bytes; `files` are paths outside the group that dd may read"""

    def __init__(self, name='vg', size=100 * GIB, version='2.03.16(2) (2022-05-18)'):
        self.name = name
        self.size = size
        self.version = version
        self.volumes: dict[str, Volume] = {}
        self.commands: list[tuple[str, ...]] = []
        self.calls: list[dict] = []
        self.missing = False
        # An event that commands wait for, and a function that each calls, once it has begun.
        self.wait_for = self.before = None
        self.pool_data_percent, self.pool_metadata_percent = 25.0, 11.23
        self.pool_metadata = 100 * MIB
        # Bytes by which the metadata and their spare copy have grown.
        self.spare = 0
        self.pool_health, self.pool_needs_check = '', False
        # Number of reports that show a merge before it has ended; None: until it is polled.
        self.merge_reports: int | None = 0
        # Device ids in the pool, and names in device mapper's table, that LVM does not know.
        self.stray_thin_ids: set[int] = set()
        self.stray_devices: set[str] = set()
        self._failures: list[Failure] = []

    # ------------------------------------------------------------------ for the tests
    def fail(self, program, exit_code=FAILED, stderr='', stdout='', after=False, times=1):
        """Let the next `times` calls fail, with `after` once they have taken effect; exit code
        None is a command that does not end in time, 0 one that says something odd."""
        self._failures.append(Failure(program, exit_code, stderr, stdout, after, times))

    def programs(self):
        """The programs run since last asked, in order."""
        names = [' '.join(argv).split('dd if=')[0].split()[0] for argv in self.commands]
        self.commands.clear()
        return names

    @property
    def free(self):
        return self.size - self.spare - sum(
            volume.size for volume in self.volumes.values() if volume.kind != 'V')

    # ------------------------------------------------------------------- the executor
    def __call__(self, *argv, **kwargs):
        argv = tuple(map(str, argv))
        self.commands.append(argv)
        self.calls.append(kwargs)
        program = 'dd' if 'dd' in argv else argv[0]
        if self.wait_for:
            self.wait_for.wait(5)
        if self.before:
            self.before()
        failure = next((f for f in self._failures if f.program == program), None)
        if failure:
            failure.times -= 1
            if not failure.times:
                self._failures.remove(failure)
            if failure.after:
                self._run(program, argv)
            if failure.exit_code is None:
                raise CommandOverdue('', failure.stderr, -1, ' '.join(argv), failure.stderr)
            if failure.exit_code == 0:
                return failure.stdout, failure.stderr
            raise ProcessExecutionError(failure.stdout, failure.stderr, failure.exit_code,
                                        ' '.join(argv))
        return self._run(program, argv)

    def _run(self, program, argv):
        if '--version' in argv:
            return f'  LVM version:     {self.version}\n', ''
        if program == 'dd':
            return self._dd(argv)
        if self.missing:
            self._error(f'  Volume group "{self.name}" not found\n'
                        f'  Cannot process volume group {self.name}')
        options, words = _split(argv[1:])
        return getattr(self, f'_{program}')(options, *words), ''

    def _error(self, text, stdout=''):
        raise ProcessExecutionError(stdout, text + '\n', FAILED, 'lvm')

    def _find(self, full, text='  Failed to find logical volume "{}"'):
        group, _, name = full.partition('/')
        if group != self.name or name not in self.volumes:
            self._error(text.format(full, name=name, group=group))
        return self.volumes[name]

    @contextlib.contextmanager
    def frozen(self, names):
        """As privsep.dm_suspend.frozen; fails as program 'suspend' or, at the end, 'resume'."""
        if not names:
            yield
            return
        self('suspend', *names)
        try:
            yield
        finally:
            for name in names:
                self._device(name).suspended = False
        if any(failure.program == 'resume' for failure in self._failures):
            self('resume', *names)

    def _device(self, mapped):
        return next(v for v in self.volumes.values() if self._mapped(v.name) == mapped)

    def _suspend(self, _options, *names):
        for name in names:
            self._device(name).suspended = True

    def _message(self, what, ident, origin=''):
        """To the thin pool; a snapshot that is deleted is as good as gone until it is taken."""
        thin = {str(volume.thin_id): volume for volume in self.volumes.values()}
        assert not thin[ident].active
        if what == 'delete':
            thin[ident].data = None
        else:
            assert thin[ident].data is None
            assert thin[origin].suspended or not thin[origin].active
            thin[ident].data = thin[origin].data

    # ------------------------------------------------------------------------ reports
    def _vgs(self, options, name):
        return self._table('vg', options, [{}])

    def _table(self, section, options, rows):
        group = {'vg_size': str(self.size), 'vg_free': str(self.free),
                 'vg_extent_size': str(EXTENT)}
        return json.dumps({'report': [{section: [
            {key: (group | row)[key] for key in options['-o'].split(',')} for row in rows]}]},
            indent=2)

    def _go_on_merging(self, reports):
        if self.merge_reports:
            self.merge_reports -= reports
        if self.merge_reports == 0:
            for snapshot in [v for v in self.volumes.values() if v.kind == 'S']:
                self.volumes[snapshot.origin].data = snapshot.data
                self.volumes[snapshot.origin].kind = '-'
                del self.volumes[snapshot.name]

    def _lvs(self, options, *names):
        self._go_on_merging(1)
        if names == (self.name,):
            return self._table('lv', options,
                               [self._row(v) for _n, v in sorted(self.volumes.items())
                                if v.kind != 'S'])
        wanted = [name.partition('/')[2] for name in names]
        rows = self._table('lv', options,
                           [self._row(self.volumes[n]) for n in wanted if n in self.volumes])
        gone = [f'  Failed to find logical volume "{self.name}/{n}"'
                for n in wanted if n not in self.volumes]
        if gone:
            self._error('\n'.join(gone), rows)
        return rows

    def _row(self, volume):
        pool = volume.kind == 't'
        state = 's' if volume.suspended else 'a' if volume.active else '-'
        attr = ''.join((self._letter(volume), 'wi-', state,
                        'o' if volume.open or pool else '-', '-----'))
        return {'lv_name': volume.name, 'lv_size': str(volume.size), 'lv_attr': attr,
                'pool_lv': volume.pool, 'origin': volume.origin,
                'data_percent': f'{self.pool_data_percent:.2f}' if pool else '',
                'metadata_percent': f'{self.pool_metadata_percent:.2f}' if pool else '',
                'lv_metadata_size': str(self.pool_metadata) if pool else '',
                'lv_health_status': self.pool_health if pool else '',
                'lv_check_needed': ('check needed' if self.pool_needs_check else '')
                if pool else 'unknown',
                'thin_id': '' if volume.thin_id is None else str(volume.thin_id)}

    def _letter(self, volume):
        return 'o' if volume.kind == '-' and self._thick_snapshots(volume) else volume.kind

    def _thick_snapshots(self, volume):
        return [v for v in self.volumes.values() if v.kind == 's' and v.origin == volume.name]

    # ------------------------------------------------------------------------ changes
    def _lvcreate(self, options, target):
        name = options['-n']
        if name.startswith(('snapshot', 'pvmove')):
            self._error('  Names starting "snapshot" are reserved. '
                        'Please choose a different LV name.')
        if name in self.volumes:
            self._error(f'  Logical Volume "{name}" already exists in volume group "{self.name}"')
        if '-s' in options:
            volume = self._snapshot(name, options, target)
        elif '-V' in options:
            pool = self._find(target, '  Pool {name} not found in Volume group {group}.')
            volume = Volume(name, _extents(options['-V']), 'V', pool.name)
        elif '-T' in options:
            volume = Volume(name, _round(self.free * 95 // 100), 't')
        else:
            volume = Volume(name, _extents(options['-L']))
            self._room(volume.size * (1 + int(options.get('-m', 0))))
        volume.active &= '-an' not in options
        if volume.kind == 'V':
            volume.thin_id = 1 + max(self._thin_ids(), default=0)
        self.volumes[name] = volume
        return f'  Logical volume "{name}" created.\n'

    def _snapshot(self, name, options, target):
        origin = self._find(
            target, '  Snapshot origin LV {name} not found in Volume group {group}.')
        if origin.kind == 'V':
            skip = '-kn' not in options
            # The pool would not hear of it, and be out of step with LVM's metadata.
            assert not origin.suspended
            return Volume(name, origin.size, 'V', origin.pool, origin.name, active=not skip,
                          skip=skip, data=origin.data)
        # Each chunk of 4 KiB, 16 bytes about it, and two headers.
        most = _round(origin.size + origin.size // 256 + 8192)
        if '-l' in options:
            assert options['-l'] == '100%ORIGIN'
            # LVM takes a percentage for the most that somebody wants.
            size = min(most, _round(self.free))
        else:
            size = min(most, _extents(options.get('-L', f'{most}b')))
        self._room(max(size, EXTENT))
        return Volume(name, size, 's', origin=origin.name, data=origin.data)

    def _room(self, size):
        if size > self.free:
            self._error(f'  Volume group "{self.name}" has insufficient free space '
                        f'({self.free // EXTENT} extents): {size // EXTENT} required.')

    def _lvextend(self, options, target):
        volume = self._find(target, '  Logical volume {name} not found in volume group {group}.')
        if volume.kind == 't':
            return self._extend_pool(options, volume)
        size, extents = _extents(options['-L']), volume.size // EXTENT
        if size == volume.size:
            self._error(f'  New size ({extents} extents) matches existing size '
                        f'({extents} extents).')
        if size < volume.size:
            self._error(f'  New size given ({size // EXTENT} extents) not larger than existing '
                        f'size ({extents} extents)')
        if self._thick_snapshots(volume) and volume.active:
            self._error('  Snapshot origin volumes can be resized only while inactive: '
                        'try lvchange -an.')
        if volume.kind != 'V' and size - volume.size > self.free:
            self._error(f'  Insufficient free space: {(size - volume.size) // EXTENT} extents '
                        f'needed, but only {self.free // EXTENT} available')
        volume.size = size
        return f'  Logical volume {target} successfully resized.\n'

    def _extend_pool(self, options, pool):
        for option, field, copies in (('-L', 'data', 1), ('--poolmetadatasize', 'metadata', 2)):
            step = _extents(options.get(option, '0b').removeprefix('+'))
            if step * copies > self.free:
                self._error(f'  Insufficient free space: {step // EXTENT} extents needed, but only '
                            f'{self.free // EXTENT} available')
            before = pool.size if field == 'data' else self.pool_metadata
            percent = getattr(self, f'pool_{field}_percent')
            setattr(self, f'pool_{field}_percent', percent * before / (before + step))
            if field == 'data':
                pool.size += step
            else:
                self.pool_metadata += step
                self.spare += step * 2
        return '  Logical volume vg/vg-pool successfully resized.\n'

    def _lvremove(self, options, target):
        volume = self._find(target)
        self._not_open(volume)
        for gone in [volume, *self._thick_snapshots(volume)]:
            del self.volumes[gone.name]
        for left in self.volumes.values():
            left.origin = '' if left.origin == volume.name else left.origin
        return f'  Logical volume "{volume.name}" successfully removed.\n'

    def _not_open(self, volume):
        if volume.open:
            self._error(f'  Logical volume {self.name}/{volume.name} in use.')

    def _lvrename(self, options, group, old, new):
        volume = self._find(f'{group}/{old}', '  Existing logical volume "{name}" not found in '
                                              'volume group "{group}"')
        if new in self.volumes:
            self._error(f'  Logical Volume "{new}" already exists in volume group "{group}"')
        self.volumes[new] = self.volumes.pop(old)
        volume.name = new
        for other in self.volumes.values():
            other.origin = new if other.origin == old else other.origin
        return f'  Renamed "{old}" to "{new}" in volume group "{group}"\n'

    def _lvchange(self, options, target):
        volume = self._find(target)
        if '--poll' in options:
            self.merge_reports = 0
            return ''
        if volume.kind == 's' and '-y' not in options:
            self._error(f'Change of snapshot {target} will also change its origin '
                        f'{self.name}/{volume.origin}. Proceed? [y/n]: [n]\n'
                        f'  Logical volume {target} not changed.')
        if '-ky' in options or '-kn' in options:
            volume.skip = '-ky' in options
        elif '-an' in options:
            self._not_open(volume)
            volume.active = volume.suspended = volume.readonly = False
        elif '--refresh' in options:
            volume.suspended = False
        elif '-K' in options or not volume.skip:
            volume.active = True
        return ''

    def _blockdev(self, options, path):
        volume = self.volumes[path.rpartition('/')[2]]
        assert volume.active
        volume.readonly = '--setro' in options
        return ''

    def _lvconvert(self, options, target):
        snapshot = self._find(target)
        if snapshot.kind == 'S':
            self._error(f'  Command on LV {target} is invalid on LV with properties: '
                        'lv_is_merging_cow .\n'
                        f'  Command not permitted on LV {target}.')
        if snapshot.kind != 's':
            self._error(f'  Command on LV {target} does not accept LV type linear.\n'
                        f'  Command not permitted on LV {target}.')
        if '--merge' in options:
            self.volumes[snapshot.origin].kind, snapshot.kind = 'O', 'S'
            self._go_on_merging(0)
        else:
            snapshot.kind, snapshot.origin = '-', ''
        return ''

    # ------------------------------------------------------- what is below the group
    def _dmsetup(self, options, action, *words):
        if action == 'info':
            names = {self._mapped(v.name) for v in self.volumes.values() if v.active}
            names |= {name + '-tpool' for name in names if name.endswith('--pool')}
            return ''.join(f'{name}\n' for name in sorted(names | self.stray_devices))
        if action == 'message' and not words[2].endswith('_metadata_snap'):
            assert words[0] == f'{self._mapped(f"{self.name}-pool")}-tpool'
            self._message(*words[2].split())
        return ''

    def _mapped(self, name):
        return f'{self.name}-{name.replace("-", "--")}'

    def _thin_ls(self, options, *words):
        return ''.join(f'{number}\n' for number in sorted(self._thin_ids()))

    def _thin_ids(self):
        return self.stray_thin_ids | {
            v.thin_id for v in self.volumes.values() if v.thin_id is not None}

    def _dd(self, argv):
        words = dict(word.partition('=')[::2] for word in argv if '=' in word)
        device = f'/dev/{self.name}/'
        target = self.volumes[words['of'].removeprefix(device)]
        count = int(words['count'])
        if words['if'] == '/dev/zero':
            target.data = bytes(min(count, len(target.data))) + target.data[count:]
        else:
            target.data = self.volumes[words['if'].removeprefix(device)].data[:count]
        return '', f'{count} bytes copied\n'


def _split(argv):
    """(options with their values, other words)"""
    options, words, waiting = {}, [], iter(argv)
    for word in waiting:
        if word.startswith('-'):
            options[word] = next(waiting) if word in _VALUE_OPTIONS else True
        else:
            words.append(word)
    return options, words


def _extents(size):
    return _round(int(size.removesuffix('b')))


def _round(size):
    return -(-size // EXTENT) * EXTENT
