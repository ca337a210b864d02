# SPDX-License-Identifier: Apache-2.0
"""The request context: user, project and request id, passed to every layer as `ctxt`.

cinder.policy decides what the caller may do.
"""
import datetime
import threading
import types
from typing import Any

from oslo_context import context
from oslo_utils import timeutils

from cinder.conf import CONF

# The default of service_token_roles in keystonemiddleware.
SERVICE_ROLES = ('service',)


def _policy() -> types.ModuleType:
    from cinder import policy  # not loaded by daemons that evaluate no rules
    return policy


class RequestContext(context.RequestContext):
    """Identity of the caller of a request, in the API and, sent with each message, in all daemons.

    :param is_admin: None: the policy decides from the roles.
    :param quota_class: name of the quota class of the caller, if the identity service has one.
    :param timestamp: arrival of the request (naive UTC).
    """

    FROM_DICT_EXTRA_KEYS = ('service_roles',)

    def __init__(self, quota_class: str | None = None,
                 timestamp: datetime.datetime | str | None = None, **kwargs: object) -> None:
        is_admin = kwargs.pop('is_admin', None)
        super().__init__(is_admin=bool(is_admin), **kwargs)
        if isinstance(timestamp, str):
            timestamp = timeutils.parse_isotime(timestamp).replace(tzinfo=None)
        self.timestamp = timestamp or timeutils.utcnow()
        self.quota_class = quota_class
        # The open database transaction of this request; used by cinder.db.session.
        self.connection = None
        # Number of committed transactions of this request, shared with elevated().
        self.commits = [0]
        # What a request that changes nothing has started, see db.session.rehearsal(); None: the
        # request is meant.
        self.rehearsal: list[tuple[object, object]] | None = None
        # Operations that the request has started, shared with elevated(); None: not noted.
        self.accepted: list[Any] | None = None
        # A cinder.db.together.Together: the transactions are committed at the end; None: each is.
        self.together: Any = None
        # Keys that the request has made: id -> id in cinder.db.key_intents; shared with elevated().
        self.made_keys: dict[str, str] = {}
        # Position in the osprofiler trace of the sender of the message; used by cinder.rpc.
        self.trace_info = None
        # Credentials for the policy engine; computed once per request.
        self._policy_values = None
        if is_admin is None:
            self.is_admin = _policy().check_is_admin(self)
            self._policy_values['is_admin'] = self.is_admin

    def elevated(self) -> 'RequestContext':
        """Return the same context with administrator rights; it shares the open transaction."""
        if self.is_admin:
            return self
        other = self.from_dict(self.to_dict(), auth_token=self.auth_token, overwrite=False)
        other.is_admin = True
        other.roles = [*self.roles, 'admin'] if 'admin' not in self.roles else self.roles
        other.connection, other.commits = self.connection, self.commits
        other.rehearsal, other.accepted = self.rehearsal, self.accepted
        other.together, other.made_keys = self.together, self.made_keys
        return other

    @property
    def in_transaction(self) -> bool:
        """Return whether this thread has a database transaction of the context open."""
        if self.connection is not None:
            return bool(self.connection[0] == threading.get_ident())
        return self.together is not None and self.together.connection(inside=True) is not None

    @property
    def is_service(self) -> bool:
        """Return whether another service sent the request, with a service token."""
        trusted = getattr(getattr(CONF, 'keystone_authtoken', None), 'service_token_roles',
                          SERVICE_ROLES)
        return not set(trusted).isdisjoint(self.service_roles)

    def authorize(self, rule: str, target: object = None) -> None:
        """Raise PolicyNotAuthorized unless the caller passes a rule.

        :param target: an object, row or dictionary with project_id (and user_id); None: the
            project of the caller.
        """
        _policy().authorize(self, rule, target)

    def can(self, rule: str, target: object = None) -> bool:
        """Return whether authorize() would pass."""
        return _policy().check(self, rule, target)

    def to_policy_values(self) -> dict:
        if self._policy_values is None:
            # A plain dictionary: the one of the library warns about each key that it did not set.
            self._policy_values = {**super().to_policy_values(), 'is_admin': self.is_admin}
            if self.system_scope:
                # Rules of operators may use this name; the engine of the library adds it too.
                self._policy_values['system'] = self.system_scope
        return self._policy_values

    def to_dict(self) -> dict:
        """Return the context as plain values for messages, without the token."""
        result = super().to_dict()
        result.update(auth_token=None, quota_class=self.quota_class,
                      service_roles=self.service_roles,
                      timestamp=self.timestamp.isoformat(timespec='microseconds'))
        return result

    @classmethod
    def from_dict(cls, values: dict, **kwargs: object) -> 'RequestContext':
        """Create the context from the result of to_dict()."""
        kwargs.setdefault('quota_class', values.get('quota_class'))
        kwargs.setdefault('timestamp', values.get('timestamp'))
        return super().from_dict(values, **kwargs)


def get_admin_context() -> RequestContext:
    """Return a context for work without a user, such as periodic tasks."""
    return RequestContext(is_admin=True, roles=['admin'], overwrite=False)
