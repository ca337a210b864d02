# SPDX-License-Identifier: Apache-2.0
"""Runs a backup driver of the original, posix by default, in a Python environment that has it: as
a program it does what the JSON on its standard input says, and prints the rows of the backups as
JSON. A volume is a file, or `{'pool', 'image', 'user', 'conf'}` of one on RBD.

Nothing of this tree is imported there. The driver is used through its public methods, on rows in a
SQLite file.
"""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time
import warnings

RELEASE = 'cinder==29.0.0'
# What its drivers of object stores need besides, and it does not require.
CLIENTS = {'python-swiftclient': 'swiftclient', 'boto3': 'boto3'}
# What its daemons need besides.
SERVERS = ('gunicorn', 'pymysql', 'psycopg2-binary', 'setuptools<81')
POSIX = 'cinder.backup.drivers.posix.PosixBackupDriver'
CACHE = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache')).expanduser() / 'cinder-tests'
SCHEMA_SECONDS, RUN_SECONDS, INSTALL_SECONDS = 120, 300, 900


class Unavailable(Exception):
    """There is no environment with the original."""


class Peer:
    """The original, with a database and a store in `folder`.

    :param python: of its environment
    """

    def __init__(self, python: pathlib.Path, folder: pathlib.Path) -> None:
        self.python, self.folder, self.store = python, folder, folder / 'store'
        self.store.mkdir(parents=True)
        (folder / 'peer.conf').write_text(
            f'[DEFAULT]\ntransport_url = fake:/\nstate_path = {folder}\n'
            f'backup_posix_path = {self.store}\nbackup_enable_progress_timer = False\n'
            f'[database]\nconnection = sqlite:///{folder}/peer.sqlite\n'
            f'[oslo_concurrency]\nlock_path = {folder}\n')
        subprocess.run([python.with_name('cinder-manage'), '--config-file', folder / 'peer.conf',
                        'db', 'sync'], check=True, timeout=SCHEMA_SECONDS,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def backup(self, volume: pathlib.Path | dict, *rows: dict, **options) -> dict:
        """Back a volume up; return the row of the backup, with 'seconds', 'cpu' and 'rss' (KiB).

        :param rows: the parent of an incremental backup, and the backup
        """
        return self._run(do='backup', volume=_plain(volume), rows=rows, options=options)

    def restore(self, rows: list[dict], volume: pathlib.Path | dict, is_new: bool,
                **options) -> dict:
        """Restore the last of a chain of backups into a volume."""
        return self._run(do='restore', volume=_plain(volume), rows=rows, new=is_new,
                         options=options)

    def delete(self, rows: list[dict], **options) -> dict:
        """Delete the last of a chain of backups from the store."""
        return self._run(do='delete', volume='', rows=rows, options=options)

    def lacks(self, module: str) -> bool:
        """Return whether it cannot import a module."""
        return subprocess.run([self.python, '-c', f'import {module}'], capture_output=True,
                              timeout=RUN_SECONDS).returncode != 0

    def _run(self, **what) -> dict:
        done = subprocess.run([self.python, '-P', __file__, self.folder / 'peer.conf'],
                              env=os.environ | {'PYTHONPATH': _bindings()},
                              input=json.dumps(what), capture_output=True, text=True,
                              timeout=RUN_SECONDS)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])


def _plain(volume: pathlib.Path | dict) -> str | dict:
    return volume if isinstance(volume, dict) else str(volume)


def _bindings() -> str:
    """Return a folder with the modules of Ceph, which are of the same release of Python."""
    found = importlib.util.find_spec('rbd')
    return str(pathlib.Path(found.origin).parent) if found else ''


def python() -> pathlib.Path:
    """Return the Python of the environment that PEER names; without it, of one in the cache, which
    is made if it is missing.

    :raises Unavailable: PEER is `no`, or it cannot be made here
    """
    named = os.environ.get('PEER', '')
    if named == 'no':
        raise Unavailable('PEER=no')
    if named:
        return pathlib.Path(named) / 'bin/python'
    folder = CACHE / RELEASE.replace('==', '-')
    if not (folder / 'ready-to-serve').exists():
        try:
            # Not with --clear: another run may use what is there.
            subprocess.run([sys.executable, '-m', 'venv', folder], check=True,
                           timeout=INSTALL_SECONDS, capture_output=True)
            subprocess.run([folder / 'bin/pip', 'install', '-q', RELEASE, *CLIENTS, *SERVERS],
                           check=True, timeout=INSTALL_SECONDS, capture_output=True)
        except (subprocess.SubprocessError, OSError) as exc:
            raise Unavailable(f'{RELEASE} cannot be installed: {exc}') from exc
        (folder / 'ready-to-serve').touch()
    return folder / 'bin/python'


# -------------------------------------------------------------- what runs in the environment of it
def main() -> None:
    warnings.simplefilter('ignore')
    import eventlet
    eventlet.monkey_patch()
    import resource

    from cinder import context, objects, rpc
    objects.register_all()
    from oslo_config import cfg

    from cinder.db import api
    what = json.load(sys.stdin)
    cfg.CONF(['--config-file', sys.argv[1]], project='cinder')
    options = what['options']
    module, _, name = options.pop('backup_driver', POSIX).rpartition('.')
    kind = getattr(importlib.import_module(module), name)
    for name, value in options.items():
        cfg.CONF.set_override(name, value)
    rpc.init(cfg.CONF)
    ctxt = context.get_admin_context()
    for row in what['rows']:
        _insert(api, ctxt, row, 'restoring' if what['do'] == 'restore' else 'creating')
    backup = objects.Backup.get_by_id(ctxt, what['rows'][-1]['id'])
    driver, start = kind(ctxt), time.monotonic()
    # That of Swift connects there.
    getattr(driver, 'initialize', lambda: None)()
    if what['do'] == 'restore':
        with _opened(what['volume'], 'r+b') as stream:
            driver.restore(backup, backup.volume_id, stream, what['new'])
    elif what['do'] == 'delete':
        driver.delete_backup(backup)
    else:
        with _opened(what['volume'], 'rb') as stream:
            # Its manager stores what the driver returns.
            backup.update(driver.backup(backup, stream) or {})
        backup.status = 'available'
        backup.save()
    backup.refresh()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({name: getattr(backup, name) for name in (
        'id', 'volume_id', 'parent_id', 'container', 'service_metadata', 'size', 'object_count')}
        | {'seconds': time.monotonic() - start, 'cpu': used.ru_utime + used.ru_stime,
           'rss': used.ru_maxrss}))


def _opened(volume, mode: str):
    if isinstance(volume, str):
        return open(volume, mode)
    from os_brick.initiator import linuxrbd
    place = volume['pool'], volume['user'], volume['conf']
    client = linuxrbd.RBDClient(place[1], place[0], conffile=place[2])
    return linuxrbd.RBDVolumeIOWrapper(linuxrbd.RBDImageMetadata(
        linuxrbd.RBDVolume(client, volume['image']), *place))


def _insert(api, ctxt, row: dict, status: str) -> None:
    """Insert the row of a backup and that of its volume, or set the status of the backup."""
    from cinder import exception
    try:
        api.backup_get(ctxt, row['id'])
        api.backup_update(ctxt, row['id'], {'status': status})
        return
    except exception.BackupNotFound:
        pass
    common = {'project_id': 'p', 'user_id': 'u', 'size': row['size']}
    api.backup_create(ctxt, {'service': POSIX,
                             'host': 'h', 'status': status, **common, **row})
    try:
        api.volume_get(ctxt, row['volume_id'])
    except exception.VolumeNotFound:
        kind = api.volume_type_get_by_name(ctxt, '__DEFAULT__')
        api.volume_create(ctxt, {'id': row['volume_id'], 'status': 'available', 'host': 'h@b#p',
                                 'attach_status': 'detached', 'volume_type_id': kind['id'],
                                 **common})


if __name__ == '__main__':
    main()
