# SPDX-License-Identifier: Apache-2.0
"""Object stores for backups, as processes: Swift, which speaks S3 too, and rclone's S3."""
import os
import pathlib
import shutil
import subprocess
import sys

from tests.functional.keystone import Keystone
from tests.functional.processes import Process, free_port, listens
from tests.functional.suite import render, script

_BOOT_SECONDS = 60
# Names that nothing else in a log or a row looks like.
ACCESS_KEY, SECRET_KEY = 'AccessKeyOfTheBackup', 'SecretKeyOfTheBackup'
USER, PASSWORD = 'backups', 'PasswordOfTheBackup'


class Rclone:
    """rclone's S3: buckets are folders, objects are files.

    :param directory: holds the buckets and the log
    :param certificate: files of a certificate and of its key; without them it speaks plain HTTP
    """

    def __init__(self, directory: pathlib.Path,
                 certificate: tuple[pathlib.Path, pathlib.Path] | None = None) -> None:
        self.folder = directory / 'buckets'
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f'{"https" if certificate else "http"}://127.0.0.1:{self.port}'
        tls = ['--cert', str(certificate[0]), '--key', str(certificate[1])] if certificate else []
        self._process = Process(f'rclone on port {self.port}', [
            script('rclone'), 'serve', 's3', '--config', str(directory / 'none.conf'), '--addr',
            f'127.0.0.1:{self.port}', '--auth-key', f'{ACCESS_KEY},{SECRET_KEY}',
            *tls, '--vfs-cache-mode', 'off', str(self.folder)], directory / 'rclone.log')

    @staticmethod
    def is_installed() -> bool:
        return os.path.exists(script('rclone'))

    def start(self) -> None:
        self._process.start()
        self._process.wait_for(lambda: listens(self.port), _BOOT_SECONDS)

    def stop(self) -> None:
        # It keeps nothing that a signal would save.
        if self._process.running:
            self._process.kill9()

    def options(self, url: str | None = None) -> dict[str, object]:
        """Return the options of our driver.

        :param url: of a proxy before it
        """
        return {'backup_driver': 'cinder.backup.drivers.s3.S3BackupDriver',
                'backup_s3_endpoint_url': url or self.url,
                'backup_s3_store_access_key': ACCESS_KEY,
                'backup_s3_store_secret_key': SECRET_KEY}


class Swift:
    """Swift on one plain folder, with users of its own or those of a Keystone.

    :param directory: holds its configuration, rings, objects and logs
    :param keystone: knows the users
    """

    def __init__(self, directory: pathlib.Path, keystone: Keystone | None = None) -> None:
        self.directory, self._keystone = directory, keystone
        (directory / 'srv/d1').mkdir(parents=True)
        self._ports = {name: free_port() for name in (
            'account', 'container', 'object', 'proxy', 'memcached')}
        self.port = self._ports['proxy']
        self.url = f'http://127.0.0.1:{self.port}'
        self.auth_url = f'{self.url}/auth/v1.0'
        self._configure()
        self._processes = [
            Process('memcached', ['memcached', '-u', 'root', '-l', '127.0.0.1', '-m', '16', '-p',
                                  str(self._ports['memcached'])], directory / 'memcached.log')
        ] + [Process(f'swift-{name}', [script(f'swift-{name}-server'),
                                       str(directory / f'{name}-server.conf')],
                     directory / f'{name}.log', os.environ | {'PYTHONWARNINGS': 'ignore'})
             for name in ('account', 'container', 'object', 'proxy')]

    @staticmethod
    def is_installed() -> bool:
        return bool(shutil.which('memcached')) and os.path.exists(script('swift-proxy-server'))

    # -------------------------------------------------------------------------------------- life
    def start(self) -> None:
        for process in self._processes:
            process.start()
        for process, name in zip(self._processes, ('memcached', 'account', 'container', 'object',
                                                   'proxy'), strict=True):
            process.wait_for(lambda name=name: listens(self._ports[name]), _BOOT_SECONDS)

    def stop(self) -> None:
        # SIGTERM ends them gracefully, which takes long; -9 loses nothing.
        for process in self._processes:
            if process.running:
                process.kill9()

    def log(self) -> str:
        """What the proxy server said."""
        return (self.directory / 'proxy.log').read_text(errors='replace')

    # ------------------------------------------------------------------------------------ options
    def options(self, url: str | None = None) -> dict[str, object]:
        """Return the options of our Swift driver, for a user of Swift itself.

        :param url: of a proxy before it, which is also where the account is found
        """
        return {'backup_driver': 'cinder.backup.drivers.swift.SwiftBackupDriver',
                'backup_swift_auth': 'single_user', 'backup_swift_auth_version': '1',
                'backup_swift_auth_url': f'{url or self.url}/auth/v1.0',
                'backup_swift_user': f'test:{USER}', 'backup_swift_key': PASSWORD}

    def s3_options(self, url: str | None = None) -> dict[str, object]:
        """Return the options of our S3 driver."""
        return {'backup_driver': 'cinder.backup.drivers.s3.S3BackupDriver',
                'backup_s3_endpoint_url': url or self.url,
                'backup_s3_store_access_key': f'test:{USER}',
                'backup_s3_store_secret_key': PASSWORD}

    # -------------------------------------------------------------------------------------- setup
    def _configure(self) -> None:
        common = {'bind_ip': '127.0.0.1', 'workers': 0, 'user': 'root', 'log_address': '',
                  'swift_dir': self.directory, 'devices': self.directory / 'srv',
                  'mount_check': False, 'fallocate_reserve': 0, 'log_level': 'INFO',
                  # Without a syslog, messages go to the terminal.
                  'log_udp_host': ''}
        (self.directory / 'swift.conf').write_text(render({
            'swift-hash': {'swift_hash_path_prefix': 'lab', 'swift_hash_path_suffix': 'lab'},
            'storage-policy:0': {'name': 'one', 'default': True},
            'storage-policy:1': {'name': 'archive'}}))
        for name in ('account', 'container', 'object'):
            (self.directory / f'{name}-server.conf').write_text(render({
                'DEFAULT': common | {'bind_port': self._ports[name]},
                'pipeline:main': {'pipeline': f'{name}-server'},
                f'app:{name}-server': {'use': f'egg:swift#{name}'}}))
        self._make_rings()
        pipeline = ['catch_errors', 'gatekeeper', 'healthcheck', 'cache', 'listing_formats', 'bulk',
                    *(['authtoken', 'keystoneauth'] if self._keystone else ['s3api', 'tempauth']),
                    'container_quotas', 'slo', 'dlo', 'proxy-server']
        filters = {f'filter:{name}': {'use': f'egg:swift#{name}'} for name in pipeline[:-1]
                   if name not in ('cache', 'authtoken', 's3api', 'tempauth', 'keystoneauth')}
        (self.directory / 'proxy-server.conf').write_text(render({
            'DEFAULT': common | {'bind_port': self.port},
            'pipeline:main': {'pipeline': ' '.join(pipeline)},
            'app:proxy-server': {'use': 'egg:swift#proxy', 'account_autocreate': True},
            'filter:cache': {'use': 'egg:swift#memcache',
                             'memcache_servers': f'127.0.0.1:{self._ports["memcached"]}'},
            **filters, **self._authentication()}))

    def _authentication(self) -> dict[str, dict[str, object]]:
        if self._keystone:
            return {'filter:authtoken': {
                        'paste.filter_factory': 'keystonemiddleware.auth_token:filter_factory',
                        'delay_auth_decision': True, **self._keystone.credentials()},
                    'filter:keystoneauth': {
                        'use': 'egg:swift#keystoneauth', 'operator_roles': 'admin, member',
                        'reseller_admin_role': 'service'}}
        return {'filter:s3api': {'use': 'egg:swift#s3api', 's3_acl': False,
                                 'allow_no_owner': True, 'location': 'us-east-1'},
                'filter:tempauth': {'use': 'egg:swift#tempauth',
                                    f'user_test_{USER}': f'{PASSWORD} .admin'}}

    def _make_rings(self) -> None:
        """Of one device each. The library patches the process that imports it, and nine calls of
        its command would take seconds."""
        subprocess.run([sys.executable, '-W', 'ignore', '-c', _RINGS, str(self.directory), *(
            f'{ring}={self._ports[name]}' for ring, name in (
                ('account', 'account'), ('container', 'container'), ('object', 'object'),
                ('object-1', 'object')))], check=True)


_RINGS = '''
import sys
from swift.common.ring import RingBuilder
folder, *rings = sys.argv[1:]
for name, port in (ring.split('=') for ring in rings):
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port), 'device': 'd1',
                     'weight': 1.0, 'replication_ip': '127.0.0.1', 'replication_port': int(port),
                     'meta': ''})
    builder.rebalance()
    builder.get_ring().save(f'{folder}/{name}.ring.gz')
'''
