# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the one policy engine of a process.

The rules and their defaults are in cinder.policies, the operator's changes in the policy file of
oslo.policy. Everybody asks through RequestContext.authorize() and can().
"""
import time
from typing import TYPE_CHECKING, Any

from oslo_policy import opts, policy

from cinder import exception, policies
from cinder.conf import CONF

if TYPE_CHECKING:
    from cinder.context import RequestContext

# Seconds after which a changed policy file is noticed: asking the file system for each check
# would cost more than the check.
_REFRESH = 2.0

_enforcer: policy.Enforcer | None = None
_checked = 0.0


def enforcer() -> policy.Enforcer:
    """The engine, with the defaults registered and the operator's file read."""
    global _enforcer, _checked
    now = time.monotonic()
    if _enforcer is None:
        opts.set_defaults(CONF)
        made = policy.Enforcer(CONF)
        made.suppress_default_change_warnings = True
        made.register_defaults(policies.list_rules())
        made.load_rules()
        _enforcer, _checked = made, now
    elif now - _checked > _REFRESH:
        _enforcer.load_rules()
        _checked = now
    return _enforcer


def reset() -> None:
    """Forget the engine, so that the next check builds it from the present configuration."""
    global _enforcer
    _enforcer = None


class _Attributes:
    """A versioned object in the form in which rules read their target."""

    __slots__ = ('_target',)

    def __init__(self, target: object) -> None:
        self._target = target

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._target, name)
        except AttributeError:
            raise KeyError(name) from None


def check(ctxt: 'RequestContext', rule: str, target: object = None) -> bool:
    """Whether the caller passes a rule.

    :param target: a mapping or object with what the rule compares (project_id, user_id); None
        stands for anything of the caller's own project.
    :raises KeyError: there is no such rule, which is a mistake in our code.
    """
    engine = enforcer()
    if target is None:
        target = {'project_id': ctxt.project_id, 'user_id': ctxt.user_id}
    elif not hasattr(target, 'keys'):
        target = _Attributes(target)
    if ctxt.system_scope and CONF.oslo_policy.enforce_scope:
        scopes = engine.registered_rules[rule].scope_types
        if scopes and 'system' not in scopes:
            return False
    return bool(engine.rules[rule](target, ctxt.to_policy_values(), engine, rule))


def authorize(ctxt: 'RequestContext', rule: str, target: object = None) -> None:
    """:raises PolicyNotAuthorized: the caller does not pass the rule; see check()."""
    if not check(ctxt, rule, target):
        raise exception.PolicyNotAuthorized(action=rule)


def check_is_admin(ctxt: 'RequestContext') -> bool:
    """Whether the roles of the caller make an administrator."""
    return check(ctxt, policies.base.CONTEXT_IS_ADMIN)
