# SPDX-License-Identifier: Apache-2.0
"""The identities with which the Swift driver works: a user of Swift itself, a user of Keystone, or
the user of section [service_user] in the account of each project."""
import abc
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from oslo_config import cfg

from cinder import concurrency, exception, service_user
from cinder.backup.object_store import faults
from cinder.backup.object_store.connections import Connections
from cinder.conf import backup_swift

_DEFAULT_DOMAIN = 'default'


class Account(NamedTuple):
    """Where objects are, and what opens that account."""

    url: str
    token: str
    service_token: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of a request."""
        own = {'X-Auth-Token': self.token}
        return own | ({'X-Service-Token': self.service_token} if self.service_token else {})


class Identity(abc.ABC):
    """Who asks Swift. Tokens are kept until Swift refuses them or they expire.

    :param conf: the options of this service
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf
        # One thread at a time authenticates, the others use its token.
        self._lock = concurrency.original('threading').Lock()

    def account(self, project_id: str | None) -> Account:
        """Return an account.

        :param project_id: whose account it is, for an identity that opens several
        :raises Fault: authentication may succeed later
        :raises BackupStoreRefused: the credentials are wrong
        """
        with self._lock:
            return self._account(project_id)

    def renew(self, token: str) -> None:
        """Authenticate anew before the next request, unless another thread has done so."""
        with self._lock:
            self._renew(token)

    @abc.abstractmethod
    def _account(self, project_id: str | None) -> Account:
        ...

    @abc.abstractmethod
    def _renew(self, token: str) -> None:
        ...


class SwiftUser(Identity):
    """A user of Swift itself (version 1 of the authentication)."""

    def __init__(self, conf: cfg.ConfigOpts, connections: Connections) -> None:
        super().__init__(conf)
        self._connections = connections
        self._known: Account | None = None

    def _account(self, project_id: str | None) -> Account:
        if self._known is None:
            self._known = self._authenticate()
        return self._known

    def _renew(self, token: str) -> None:
        if self._known and self._known.token == token:
            self._known = None

    def _authenticate(self) -> Account:
        url = self.conf.backup_swift_auth_url
        answer = self._connections.send('GET', url, {
            'X-Auth-User': self.conf.backup_swift_user,
            'X-Auth-Key': self.conf.backup_swift_key})
        answer.text()
        where = f'the authentication at {url}'
        account, token = (answer.headers.get(name, '')
                          for name in ('X-Storage-Url', 'X-Auth-Token'))
        if answer.status in faults.TEMPORARY:
            raise faults.of_answer(answer.status, answer.headers, where)
        if answer.status >= 300 or not (account and token):
            raise exception.BackupStoreRefused(
                where=where, reason=f'status {answer.status} for user '
                                    f'{self.conf.backup_swift_user}; check backup_swift_auth_url, '
                                    'backup_swift_user and backup_swift_key')
        return Account(account.rstrip('/'), token)


class KeystoneUser(Identity):
    """A user of Keystone: by default backup_swift_user, in the account of its project.

    keystoneauth finds and renews tokens; its session is used by one thread at a time.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._own: Any = None
        self._service: Any = None

    def _account(self, project_id: str | None) -> Account:
        with _errors('backup_swift_user, backup_swift_key and the names of project and domains'):
            if self._own is None:
                self._own = self._session(self._plugin())
            return Account(self._url(self._own, None), self._own.get_token(),
                           self._service_token())

    def _renew(self, token: str) -> None:
        for session in filter(None, (self._own, self._service)):
            if session.get_token() == token:
                session.invalidate()

    def _session(self, plugin: Any) -> Any:
        from keystoneauth1 import session
        verify = not self.conf.backup_swift_auth_insecure and (
            self.conf.backup_swift_ca_cert_file or True)
        return session.Session(auth=plugin, verify=verify, timeout=TIMEOUT_SECONDS)

    def _plugin(self) -> Any:
        from keystoneauth1.identity import v2, v3
        conf = self.conf
        url = conf.backup_swift_auth_url or self._endpoint(
            self._session(service_user.plugin()), conf.keystone_catalog_info)
        if backup_swift.AUTH_VERSIONS[conf.backup_swift_auth_version] == 2:
            tenant, _, user = conf.backup_swift_user.rpartition(':')
            return v2.Password(url, user, conf.backup_swift_key,
                               tenant_name=conf.backup_swift_tenant or tenant)
        return v3.Password(
            url, username=conf.backup_swift_user, password=conf.backup_swift_key,
            project_name=conf.backup_swift_project,
            **_domain('user_domain', conf.backup_swift_user_domain),
            **_domain('project_domain', conf.backup_swift_project_domain))

    def _url(self, session: Any, project_id: str | None) -> str:
        """Return the URL of the account of a project; None: that of the session."""
        own = session.get_project_id()
        if self.conf.backup_swift_url:
            return f'{self.conf.backup_swift_url}{project_id or own}'
        found = self._endpoint(session, self.conf.swift_catalog_info).rstrip('/')
        if not project_id or project_id == own:
            return found
        if not own or own not in found:
            raise exception.BackupStoreRefused(
                where=found, reason='the URL in the catalog does not contain the id of the '
                                    'project of [service_user]; set backup_swift_url')
        return found.replace(own, project_id)

    def _endpoint(self, session: Any, entry: str) -> str:
        kind, _name, interface = entry.split(':')
        found = session.get_endpoint(service_type=kind, interface=interface.removesuffix('URL'),
                                     region_name=self.conf.backup_swift_region_name)
        if not found:
            region = self.conf.backup_swift_region_name
            raise exception.BackupStoreRefused(
                where='the catalog of Keystone', reason=f'it has no {interface} of type {kind}'
                f'{" in region " + region if region else ""}')
        return str(found)

    def _service_token(self) -> str | None:
        if not self.conf.backup_swift_service_auth:
            return None
        if self._service is None:
            self._service = self._session(service_user.plugin())
        token: str = self._service.get_token()
        return token


class ServiceUser(KeystoneUser):
    """The user of section [service_user], in the accounts of all projects. Tokens of the users of
    backups are not sent to daemons, and would expire during long backups."""

    def _account(self, project_id: str | None) -> Account:
        with _errors('section [service_user]'):
            if self._own is None:
                self._own = self._session(service_user.plugin())
            return Account(self._url(self._own, project_id), self._own.get_token(),
                           self._service_token())


# Seconds to wait for Keystone and for Swift, which have no option for it.
TIMEOUT_SECONDS = 60


def _domain(name: str, value: str | None) -> dict[str, str]:
    return {f'{name}_name': value} if value else {f'{name}_id': _DEFAULT_DOMAIN}


@contextlib.contextmanager
def _errors(check: str) -> Iterator[None]:
    """Raise errors of keystoneauth as those of the store.

    :param check: what an operator has to check when the credentials are refused
    """
    from keystoneauth1 import exceptions
    try:
        yield
    except (exceptions.ConnectionError, exceptions.HttpServerError, exceptions.RequestTimeout,
            exceptions.TooManyRequests) as exc:
        raise faults.Fault(f'Keystone: {exc}', getattr(exc, 'retry_after', 0)) from exc
    except exceptions.ClientException as exc:
        raise exception.BackupStoreRefused(where='Keystone', reason=f'{exc}; check {check}'
                                           ) from exc
    except exception.InvalidConfigurationValue as exc:
        raise exception.BackupStoreRefused(where='Keystone', reason=str(exc)) from exc


def make(conf: cfg.ConfigOpts, connections: Connections) -> Identity:
    """Return the identity that the options ask for."""
    if conf.backup_swift_auth == backup_swift.PER_USER:
        return ServiceUser(conf)
    if backup_swift.AUTH_VERSIONS[conf.backup_swift_auth_version] == 1:
        return SwiftUser(conf, connections)
    return KeystoneUser(conf)
