# SPDX-License-Identifier: Apache-2.0
"""Backups as objects in containers of Swift. The requests are formed here; connections, retries,
the transfer of content and the identities are in cinder.backup.object_store."""
import copy
import json
import urllib.parse
from collections.abc import Collection, Iterator, Mapping

from oslo_config import cfg

from cinder import exception, objects
from cinder.backup.object_store import faults, swift_identity, swift_options
from cinder.backup.object_store.connections import Answer, Settings
from cinder.backup.object_store.driver import CHECK_SECONDS, ObjectStoreDriver
from cinder.backup.object_store.upload import Upload
from cinder.conf import backup_swift
from cinder.conf.problem import Problem

_LONGEST_CONTAINER = 256


class SwiftBackupDriver(ObjectStoreDriver):
    """A store on Swift.

    :raises InvalidConfigurationValue: an option is missing or cannot be used
    """

    SIZE_OPTION = 'backup_swift_object_size'

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        swift_options.check(conf)
        insecure = conf.backup_swift_auth_insecure
        super().__init__(
            conf, Settings(swift_identity.TIMEOUT_SECONDS, not insecure,
                           conf.backup_swift_ca_cert_file),
            faults.Policy(conf.backup_swift_retry_attempts,
                          faults.doubling(conf.backup_swift_retry_backoff)))
        self.object_size = conf.backup_swift_object_size
        self.block_size = conf.backup_swift_block_size
        self.enable_progress_timer = conf.backup_swift_enable_progress_timer
        self.identity = swift_identity.make(conf, self.connections)
        self._project_id: str | None = None

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        return backup_swift.OPTS

    def problems(self) -> Iterator[Problem]:
        yield from swift_options.unused(self.conf)

    # ------------------------------------------------------------------ the interface of a store
    def for_project(self, project_id: str) -> 'SwiftBackupDriver':
        if self.conf.backup_swift_auth != backup_swift.PER_USER:
            return self
        bound = copy.copy(self)
        bound._project_id = project_id
        return bound

    def check(self) -> None:
        faults.run(self.policy, 'the account', self._look, retries=0)

    def _look(self) -> None:
        # With per_user this is the account of the service, which need not exist.
        accepted = (404,) if self.conf.backup_swift_auth == backup_swift.PER_USER else ()
        self._ask('HEAD', accepted=accepted, seconds=CHECK_SECONDS).close()

    def container_of(self, backup: objects.Backup) -> str:
        container = backup.container or self.conf.backup_swift_container
        if '/' in container or container in ('.', '..'):
            raise exception.InvalidBackupContainer(
                container=container, reason='the name of a container of Swift has no "/" and is '
                                            'not "." or ".."')
        if len(container.encode()) > _LONGEST_CONTAINER:
            raise exception.InvalidBackupContainer(
                container=container, reason=f'expected at most {_LONGEST_CONTAINER} bytes')
        return container

    def create_container(self, container: str) -> None:
        self._run(container, '', lambda: self._create_container(container))

    def _create_container(self, container: str) -> None:
        answer = self._ask('HEAD', container, accepted=(404,))
        answer.close()
        if answer.status != 404:
            return
        self.require_creation(container)
        policy = self.conf.backup_swift_create_storage_policy
        # 409: another process has just created it, with another policy.
        self._ask('PUT', container, headers={'X-Storage-Policy': policy} if policy else None,
                  accepted=(409,)).close()

    # ---------------------------------------------------------------------------- the requests
    def put_object(self, container: str, name: str, content: Upload) -> None:
        digest = content.md5.hex()
        answer = self._ask('PUT', container, name, body=content, accepted=(422,), headers={
            'Content-Length': str(content.length), 'Content-Type': 'application/octet-stream',
            # Swift refuses what has another digest.
            'ETag': digest})
        answer.close()
        found = answer.headers.get('ETag', '').strip('"')
        if answer.status == 422 or found != digest:
            raise faults.Fault(f'the MD5 digest of what arrived is not {digest}')

    def get_object(self, container: str, name: str, offset: int, etag: str | None) -> Answer:
        headers = {'Range': f'bytes={offset}-'} if offset else {}
        if etag:
            headers['If-Match'] = etag
        return self._ask('GET', container, name, headers=headers)

    def delete_object(self, container: str, name: str) -> None:
        self._ask('DELETE', container, name).close()

    def list_objects(self, container: str, prefix: str, after: str) -> tuple[list[str], str]:
        answer = self._ask('GET', container, query={
            'format': 'json', 'prefix': prefix, 'marker': after})
        content = answer.content()
        try:
            names = [entry['name'] for entry in json.loads(content or b'[]')]
        except (ValueError, KeyError, TypeError) as exc:
            raise faults.Fault('the list of objects cannot be read') from exc
        return names, names[-1] if names else ''

    def _ask(self, method: str, container: str = '', name: str = '', *,
             query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
             body: Upload | None = None, seconds: float | None = None,
             accepted: Collection[int] = ()) -> Answer:
        """Send a request and return its answer.

        :param accepted: statuses that are no errors here
        :raises Fault: it may succeed when it is repeated
        :raises BackupStoreError: it failed
        """
        path = ''.join(f'/{urllib.parse.quote(part)}' for part in (container, name) if part)
        if query:
            path += '?' + urllib.parse.urlencode(query)
        for _time in range(2):
            account = self.identity.account(self._project_id)
            answer = self.connections.send(
                method, account.url + path, account.headers() | dict(headers or {}),
                body.pieces() if body else None, seconds)
            if answer.status < 300 or answer.status in accepted:
                return answer
            text = answer.text()
            if answer.status != 401:
                break
            # The token may have expired.
            self.identity.renew(account.token)
        raise self.error_of(answer, '', f'status {answer.status}: {text}',
                            f'{container}/{name}'.rstrip('/') or 'the account',
                            (account.token, account.service_token, self.conf.backup_swift_key))

    def refusal(self) -> str:
        if self.conf.backup_swift_auth == backup_swift.PER_USER:
            return ('check section [service_user]: its user needs a role that may open the '
                    'accounts of all projects, reseller_admin_role of Swift')
        return 'check backup_swift_user, its roles and backup_swift_key'
