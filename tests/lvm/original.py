# SPDX-License-Identifier: Apache-2.0
"""What the original Cinder leaves on a host: files of tgt, targets of LIO. Names, files and
attributes are those that Cinder 29.0.0 was seen to make; LVM_LAB_ORIGINAL names an environment
where it is installed, and then it makes them itself."""
import os
import pathlib
import subprocess
import threading
import time
import uuid

from tests.lvm import group, initiator

CHAP = 'CHAP user secretsecret12'
ENVIRONMENT = os.environ.get('LVM_LAB_ORIGINAL')
_BLOCK = 64 * 1024
_BLOCKS = 32
_FILE = '''
<target {iqn}>
    backing-store {path}
    driver iscsi
    incominguser {user} {secret}
    write-cache on
    scsi_sn {name}
    scsi_id {name}
</target>
'''


def iqn(name: str) -> str:
    return f'iqn.2010-10.org.openstack:{name}'


def export(helper: str, folder: pathlib.Path, name: str, path: str, port: int) -> tuple[str, str]:
    """Export a device by tgtadm or lioadm; returns provider_location and provider_auth."""
    if not ENVIRONMENT:
        return (export_by_tgt(folder, name, path, port) if helper == 'tgtadm'
                else export_by_lio(name, path, port)), CHAP
    folder.mkdir(exist_ok=True)
    program = pathlib.Path(__file__).with_name('original_target.py')
    done = subprocess.run(
        [f'{ENVIRONMENT}/bin/python', '-W', 'ignore', program, helper, name, path, str(port),
         folder, initiator.NAME], capture_output=True, text=True, check=False,
        env=os.environ | {'PATH': f'{ENVIRONMENT}/bin:{os.environ["PATH"]}'})
    assert not done.returncode, done.stderr
    location, auth = done.stdout.splitlines()[-2:]
    return location, auth


def export_by_tgt(folder: pathlib.Path, name: str, path: str, port: int) -> str:
    """Write the file of a volume and have tgt-admin(8) read it; returns provider_location."""
    folder.mkdir(exist_ok=True)
    _kind, user, secret = CHAP.split()
    (folder / name).write_text(_FILE.format(iqn=iqn(name), path=path, user=user, secret=secret,
                                            name=name))
    read_files(folder, iqn(name))
    shown = group.run('tgtadm', '--lld', 'iscsi', '--mode', 'target', '--op', 'show')
    number = shown.partition(f': {iqn(name)}\n')[0].rpartition('Target ')[2]
    return f'127.0.0.1:{port},{number} {iqn(name)} 1'


def read_files(folder: pathlib.Path, update: str = 'ALL') -> None:
    """Have tgt-admin read the files, as at each start of tgtd."""
    config = folder.parent / 'targets.conf'
    config.write_text(f'include {folder}/*\n')
    group.run('tgt-admin', '--conf', str(config), '--update', update)


def unit_of_tgt(name: str) -> dict[str, str]:
    """The attributes of the unit of a target, and who may log in."""
    shown = group.run('tgtadm', '--lld', 'iscsi', '--mode', 'target', '--op', 'show')
    text = shown.partition(f': {iqn(name)}\n')[2].partition('\nTarget ')[0]
    unit, _acl, access = text.partition('LUN: 1')[2].partition('ACL information:')
    lines = (line.strip().partition(':') for line in unit.splitlines())
    return {**{name: value.strip() for name, _colon, value in lines},
            'ACL': ' '.join(access.split())}


def export_by_lio(name: str, path: str, port: int) -> str:
    """Make a target of the kernel with one unit, 0, for the initiator; returns
    provider_location."""
    import rtslib_fb as rts
    _kind, user, secret = CHAP.split()
    rts.tcm.bs_cache.clear()
    storage = rts.BlockStorageObject(iqn(name), dev=path, wwn=str(uuid.uuid4()))
    portal_group = rts.TPG(rts.Target(rts.FabricModule('iscsi'), iqn(name)), 1)
    portal_group.set_attribute('authentication', '1')
    rts.LUN(portal_group, 0, storage)
    portal_group.enable = True
    rts.NetworkPortal(portal_group, '127.0.0.1', port)
    entry = rts.NodeACL(portal_group, initiator.NAME)
    entry.chap_userid, entry.chap_password = user, secret
    rts.MappedLUN(entry, 0, 0, write_protect=False)
    return f'127.0.0.1:{port},{iqn(name)} {iqn(name)} 0'


def unit_of_lio(name: str) -> dict[int, str]:
    """The serial numbers of the units of a target by their numbers."""
    import rtslib_fb as rts
    rts.tcm.bs_cache.clear()
    portal_group = rts.TPG(rts.Target(rts.FabricModule('iscsi'), iqn(name), 'lookup'), 1, 'lookup')
    return {lun.lun: lun.storage_object.wwn for lun in portal_group.luns}


def connection(location: str, auth: str = CHAP) -> dict:
    """What the original told the initiator of an export."""
    portals, name, lun = location.split()
    _kind, user, secret = auth.split()
    return {'target_discovered': False, 'target_portal': portals.partition(',')[0],
            'target_iqn': name, 'target_lun': int(lun), 'auth_method': 'CHAP',
            'auth_username': user, 'auth_password': secret, 'driver_volume_type': 'iscsi',
            'access_mode': 'rw', 'encrypted': False, 'qos_specs': None, 'discard': False}


class Traffic:
    """Somebody who writes to a device all the time, in a thread.

    :param pause: seconds between two writes
    :ivar blocks: writes that have ended
    :ivar longest: seconds that the slowest one took
    """

    def __init__(self, device: str, pause: float = 0.02) -> None:
        self.blocks, self.longest, self._pause = 0, 0.0, pause
        self.error: Exception | None = None
        self.written: dict[int, bytes] = {}
        self._device, self._stopping = device, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> 'Traffic':
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with open(self._device, 'r+b', buffering=0) as device:
                while not self._stopping.wait(self._pause):
                    self._write(device)
        except Exception as exc:
            self.error = exc

    def _write(self, device) -> None:
        began, place = time.monotonic(), self.blocks % _BLOCKS
        device.seek(place * _BLOCK)
        data = os.urandom(_BLOCK)
        device.write(data)
        os.fsync(device.fileno())
        self.written[place] = data
        self.blocks += 1
        self.longest = max(self.longest, time.monotonic() - began)

    def goes_on(self, seconds: float = 60) -> None:
        """Wait for some more writes."""
        wanted, deadline = self.blocks + 5, time.monotonic() + seconds
        while self.blocks < wanted and not self.error and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not self.error and self.blocks >= wanted, (self.error, self.blocks, wanted)

    def check(self, path: str) -> None:
        """All that was written is on the storage."""
        assert self.written and not self.error, self.error
        with open(path, 'rb', buffering=0) as device:
            os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for place, data in self.written.items():
                device.seek(place * _BLOCK)
                assert device.read(_BLOCK) == data, place


def paused(name: str) -> '_Paused':
    """Stop the processes of a program for the time of a block."""
    return _Paused(name)


class _Paused:
    def __init__(self, name: str) -> None:
        self._pids = subprocess.run(['pidof', name], capture_output=True, text=True,
                                    check=True).stdout.split()

    def __enter__(self) -> None:
        subprocess.run(['kill', '-STOP', *self._pids], check=True)

    def __exit__(self, *_exc: object) -> None:
        subprocess.run(['kill', '-CONT', *self._pids], check=True)
