# SPDX-License-Identifier: Apache-2.0
"""Reads and writes a volume as its connection information says: through iSCSI or librbd in user
space, or by a path of this machine. Plain Python with qemu-img (see qemu-block-drivers(7)).

The ceph.conf of this machine, which names the keyring too, is that of the environment: CEPH_CONF.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

NAME = 'iqn.2000-01.org.example:initiator'
CONNECTOR = {'host': 'initiator', 'ip': '127.0.0.1', 'platform': 'x86_64', 'os_type': 'linux',
             'multipath': False, 'initiator': NAME}
MIB = 2 ** 20


def speaks_iscsi() -> bool:
    """Return whether qemu-img is there and knows iSCSI (Debian: package qemu-block-extra)."""
    return bool(shutil.which('qemu-img')
                and list(pathlib.Path('/usr/lib').glob('*/qemu/block-iscsi.so')))


class Device:
    """The start of a connected volume.

    :param connection: connection_info of an attachment, or answer of os-initialize_connection
    """

    def __init__(self, connection: dict):
        kind = connection['driver_volume_type']
        # How qemu-img reaches it; None: as a file.
        self._options = {'iscsi': self._iscsi, 'rbd': self._rbd}.get(kind)
        # The attachments API shows the data flat, next to the type.
        self._data = connection.get('data', connection)

    def write(self, content: bytes) -> None:
        """Write from the first byte on, to the disk.

        :raises OSError: the target refuses
        """
        if self._options is None:
            with open(self._data['device_path'], 'r+b') as device:
                device.write(content)
                os.fsync(device.fileno())
            return
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, 'source')
            source.write_bytes(content)
            self._qemu_img(folder, 'convert', '-n', '--image-opts', '--target-image-opts',
                           f'driver=raw,file.driver=file,file.filename={source}', self._target())

    def read(self, mebibytes: int) -> bytes:
        """Return the first bytes.

        :raises OSError: the target refuses
        """
        if self._options is None:
            with open(self._data['device_path'], 'rb') as device:
                return device.read(mebibytes * MIB)
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder, 'copy')
            self._qemu_img(folder, 'dd', '--image-opts', '-O', 'raw', 'bs=1M',
                           f'count={mebibytes}', f'if={self._target()}', f'of={copy}')
            return copy.read_bytes()

    def _target(self) -> str:
        return ','.join(f'{name}={value}' for name, value in self._options().items())

    def _rbd(self) -> dict[str, str]:
        pool, _, image = self._data['name'].rpartition('/')
        return {'driver': 'raw', 'file.driver': 'rbd', 'file.pool': pool, 'file.image': image,
                'file.user': self._data['auth_username']}

    def _iscsi(self) -> dict[str, str]:
        data = self._data
        options = {
            'driver': 'raw', 'file.driver': 'iscsi', 'file.transport': 'tcp',
            'file.portal': data['target_portal'], 'file.target': data['target_iqn'],
            'file.lun': data['target_lun'], 'file.initiator-name': NAME}
        if data.get('auth_method') == 'CHAP':
            options |= {'file.user': data['auth_username'], 'file.password-secret': 'chap'}
        return options

    def _qemu_img(self, folder: str, command: str, *words: str) -> None:
        # The secret travels in a file: arguments of a process are for everybody to read.
        secret = pathlib.Path(folder, 'secret')
        secret.write_text(self._data.get('auth_password') or '')
        done = subprocess.run(
            ['qemu-img', command, '--object', f'secret,id=chap,file={secret}', *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f'qemu-img {command}: {done.stderr.strip()}')
