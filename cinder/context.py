# SPDX-License-Identifier: Apache-2.0
"""Who asks, for which project, under which request id: handed to every layer as `ctxt`.

What the caller may do is asked here and decided in cinder.policy.
"""
import datetime
import types

from oslo_context import context
from oslo_utils import timeutils

from cinder.conf import CONF

# What keystonemiddleware has service_token_roles for by default.
SERVICE_ROLES = ('service',)


def _policy() -> types.ModuleType:
    from cinder import policy  # daemons that decide nothing need not load it
    return policy


class RequestContext(context.RequestContext):
    """Identity of a request, on the API and, carried in each message, in all daemons.

    :param is_admin: None lets the policy decide from the roles.

    :param quota_class: name of a quota class of the caller, when the identity service has one.
    :param timestamp: when the request arrived (naive UTC).
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
        # The open database transaction of this request; belongs to cinder.db.session.
        self.connection = None
        # How many transactions of this request were committed, shared with elevated().
        self.commits = [0]
        # Where in a trace of osprofiler the sender of the last message was; cinder.rpc's.
        self.trace_info = None
        # Credentials in the form the policy engine reads; made at most once per request.
        self._policy_values = None
        if is_admin is None:
            self.is_admin = _policy().check_is_admin(self)
            self._policy_values['is_admin'] = self.is_admin

    def elevated(self) -> 'RequestContext':
        """The same request with administrator's rights; joins the same open transaction."""
        if self.is_admin:
            return self
        other = self.from_dict(self.to_dict(), auth_token=self.auth_token, overwrite=False)
        other.is_admin = True
        other.roles = [*self.roles, 'admin'] if 'admin' not in self.roles else self.roles
        other.connection, other.commits = self.connection, self.commits
        return other

    @property
    def is_service(self) -> bool:
        """Whether the request comes through another service, with a token of that service."""
        trusted = getattr(getattr(CONF, 'keystone_authtoken', None), 'service_token_roles',
                          SERVICE_ROLES)
        return not set(trusted).isdisjoint(self.service_roles)

    def authorize(self, rule: str, target: object = None) -> None:
        """Raise PolicyNotAuthorized unless the caller may do `rule` to `target`.

        :param target: an object, row or dictionary with project_id (and user_id); None means
            the caller's own project.
        """
        _policy().authorize(self, rule, target)

    def can(self, rule: str, target: object = None) -> bool:
        """Whether authorize() would pass."""
        return _policy().check(self, rule, target)

    def to_policy_values(self) -> dict:
        if self._policy_values is None:
            # A plain dictionary: the library's own warns about each key that it did not set.
            self._policy_values = {**super().to_policy_values(), 'is_admin': self.is_admin}
            if self.system_scope:
                # As rules of operators may call it; the library's engine adds it too.
                self._policy_values['system'] = self.system_scope
        return self._policy_values

    def to_dict(self) -> dict:
        """The context as plain values, for the bus; the token stays here: no worker needs it."""
        result = super().to_dict()
        result.update(auth_token=None, quota_class=self.quota_class,
                      service_roles=self.service_roles,
                      timestamp=self.timestamp.isoformat(timespec='microseconds'))
        return result

    @classmethod
    def from_dict(cls, values: dict, **kwargs: object) -> 'RequestContext':
        """Rebuild the context that to_dict() gave."""
        kwargs.setdefault('quota_class', values.get('quota_class'))
        kwargs.setdefault('timestamp', values.get('timestamp'))
        return super().from_dict(values, **kwargs)


def get_admin_context() -> RequestContext:
    """A context for work that no user asked for, such as periodic tasks."""
    return RequestContext(is_admin=True, roles=['admin'], overwrite=False)
