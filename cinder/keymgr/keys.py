# SPDX-License-Identifier: Apache-2.0
"""Creates, copies, compares and deletes keys in the configured key manager.

castellan is imported with the first key, because most requests need none. A key belongs to its
creator, so the token of the caller is used. Tokens are not sent in RPC messages, so this is done in
the API.
"""
import binascii
import contextlib
import copy as copying
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from oslo_log import log as logging

from cinder import exception, failures
from cinder.conf import CONF
from cinder.conf import keymgr as options
from cinder.context import RequestContext
from cinder.db import encryption_keys as keys_db
from cinder.db import key_intents, unused_keys
from cinder.keymgr import core_dumps, deadlines, marks, sharing
from cinder.metrics import neighbours

if TYPE_CHECKING:
    from castellan.common.credentials.credential import Credential
    from castellan.common.objects.managed_object import ManagedObject
    from castellan.key_manager.key_manager import KeyManager

LOG = logging.getLogger(__name__)

# What the compute service uses when the type names no cipher or key size.
DEFAULT_ALGORITHM, DEFAULT_BITS = 'aes', 256
_CALLER, _SERVICE = 'the user of this request', 'the user of the services'


# ------------------------------------------------------------------------------- which manager
def backend() -> str:
    """Return [key_manager]/backend, or the manager of the fixed key when it is not set."""
    from castellan import key_manager
    CONF.register_opts(key_manager.key_manager_opts, group=options.GROUP)
    CONF.set_default('backend', options.FIXED_BACKEND, options.GROUP)
    return CONF.key_manager.backend


def is_fixed() -> bool:
    """Return whether the fixed key is the only key."""
    # castellan also checks the name of the class: in Cinder the manager has other paths as well.
    return backend().endswith('ConfKeyManager')


def is_set_up() -> bool:
    """Return whether a key manager is configured."""
    return bool(CONF.key_manager.fixed_key) or not is_fixed()


def manager() -> 'KeyManager':
    """Return the castellan KeyManager of the configuration, whose calls end in time.

    :raises Exception: any error of a manager that cannot be created.
    """
    return _make(backend(), CONF.key_manager.fixed_key)


@functools.lru_cache(1)
def _make(_backend: str, _fixed_key: str | None) -> 'KeyManager':
    if is_fixed():
        from cinder.keymgr import conf_key_mgr
        return conf_key_mgr.ConfKeyManager(CONF)
    from castellan import key_manager
    # If a fixed key is set, castellan wraps this manager so that it knows the id of zeros too.
    return deadlines.bound(key_manager.API(CONF))


def service_credentials() -> 'Credential | None':
    """Return the credentials of this service from [key_manager]/auth_type; None when it is not
    set."""
    from castellan.common import utils
    CONF.register_opts(utils.credential_opts, group=options.GROUP)
    return utils.credential_factory(CONF) if CONF.key_manager.auth_type else None


def identities(ctxt: RequestContext) -> list['RequestContext | Credential']:
    """Return the identities that may be used, the preferred one first."""
    service = service_credentials()
    found = [ctxt] if ctxt.auth_token or service is None else []
    return found if service is None else [*found, service]


@contextlib.contextmanager
def _answers(what: str, user: str = _CALLER) -> Iterator[None]:
    """Raise errors of the key manager as errors of the API.

    :param user: who asks it
    """
    try:
        yield
        neighbours.note('key manager')
    except Exception as exc:
        neighbours.note('key manager', failures.one_line(exc))
        LOG.exception('The key manager could not %s.', what)
        if _is_refusal(exc):
            raise exception.KeyManagerRefuses(what=what, user=user) from exc
        raise exception.KeyManagerUnavailable() from exc


def _is_refusal(exc: BaseException | None) -> bool:
    """Return whether the key manager answered that the caller may not do this."""
    from castellan.common import exception as castellan_exception
    while exc is not None:
        status = getattr(exc, 'status_code', None) or getattr(exc, 'http_status', None)
        if isinstance(exc, castellan_exception.Forbidden) or status == 403:
            return True
        exc = exc.__cause__ or exc.__context__
    return False


# ----------------------------------------------------------------------------------- the keys
def create(ctxt: RequestContext, encryption: Mapping) -> str:
    """Create a key for the encryption settings of a volume type; return its id.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    algorithm = (encryption['cipher'] or DEFAULT_ALGORITHM).partition('-')[0]
    with _answers('make a key'):
        who = identities(ctxt)[0]

    def make(name: str) -> str:
        with _answers('make a key'):
            return _create(who, algorithm, encryption['key_size'] or DEFAULT_BITS, name)
    return _made(ctxt, who, make)


def _create(who: 'RequestContext | Credential', algorithm: str, bits: int, name: str) -> str:
    if not hasattr(manager(), '_kv_mountpoint'):
        return manager().create_key(who, algorithm=algorithm, name=name, length=bits)
    # castellan's client of Vault, which makes the key itself, refuses one with a name (5.8).
    from castellan.common.objects import symmetric_key
    return manager().store(who, symmetric_key.SymmetricKey(
        algorithm, bits, os.urandom(bits // 8), name=name))


def _made(ctxt: RequestContext, who: 'RequestContext | Credential',
          make: Callable[[str], str]) -> str:
    if is_fixed():
        return make('')
    return marks.made(ctxt, ctxt.project_id if who is ctxt else None, make)


def store(ctxt: RequestContext, who: 'RequestContext | Credential', key: 'ManagedObject') -> str:
    """Store a key for an identity and return its id. Until the caller has committed, a key that is
    left is found by its name.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    def make(name: str) -> str:
        named = copying.copy(key)
        named._name = name or key.name
        with _answers('store a key', _SERVICE if who is not ctxt else _CALLER):
            return manager().store(who, named)
    return _made(ctxt, who, make)


def share(ctxt: RequestContext, key_id: str) -> bool:
    """Let the services read a key of the caller, which they need to change what opens a volume;
    return False if they cannot read it."""
    if is_fixed():
        return True
    try:
        if not sharing.has_owners(manager()):
            return True
        service = service_credentials()
        if service is None:
            return False
        sharing.let_read(manager(), identities(ctxt)[0], key_id, _service_user(service))
    except Exception as exc:  # the caller may lack the right, or the service its password
        LOG.warning('The services cannot be allowed to read key %s, so copies of its volume get '
                    'the same key: %s', key_id, failures.one_line(exc))
        return False
    return True


def _service_user(service: 'Credential') -> str:
    """Return the id of the user of the services."""
    known = getattr(service, 'user_id', None)
    names = ('auth_url', 'username', 'user_domain_id', 'user_domain_name')
    return known or _named_user(*(getattr(service, name, None) for name in names))


@functools.lru_cache(1)
def _named_user(*_names: str | None) -> str:
    return sharing.user_of(manager(), service_credentials())


def copy(ctxt: RequestContext, key_id: str) -> str:
    """Store the same key under another id and return that; the fixed key has only one id.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    with _answers(f'copy key {key_id}'):
        who = identities(ctxt)[0]
        key = manager().get(who, key_id)
    return store(ctxt, who, key)


def passphrase(ctxt: RequestContext, key_id: str) -> bytes:
    """Return what opens a volume: the key in hexadecimal digits, as the compute service has it.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    core_dumps.prevent()
    with _answers(f'give key {key_id}'):
        return binascii.hexlify(manager().get(identities(ctxt)[0], key_id).get_encoded())


def have_owners() -> bool:
    """Return whether only the creator of a key, and whom it names, can use it.

    :raises KeyManagerUnavailable: the key manager cannot be created.
    """
    with _answers('be created'):
        return not is_fixed() and sharing.has_owners(manager())


def take_over(ctxt: RequestContext, key_id: str) -> str:
    """Store the same key as one of the services and return its id.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    with _answers(f'give key {key_id}'):
        key = manager().get(identities(ctxt)[0], key_id)
    return store(ctxt, service_credentials() or ctxt, key)


def hand_over(ctxt: RequestContext, key_id: str) -> str:
    """Store a key of the services as one of the caller and return its id.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    with _answers(f'give key {key_id}', _SERVICE):
        key = manager().get(service_credentials(), key_id)
    return store(ctxt, identities(ctxt)[0], key)


def let_user_read(key_id: str, user_id: str | None) -> None:
    """Let a user read a key of the services.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    with _answers(f'share key {key_id}', _SERVICE):
        sharing.let_read(manager(), service_credentials(), key_id, user_id)


def are_equal(ctxt: RequestContext, one: str | None, other: str | None) -> bool:
    """Return whether data that is encrypted with one key can be read with the other.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if one == other or None in (one, other):
        return one == other
    with _answers(f'compare keys {one} and {other}'):
        who = identities(ctxt)[0]
        found = [manager().get(who, key_id).get_encoded() for key_id in (one, other)]
    return found[0] == found[1]


def release(ctxt: RequestContext, key_id: str | None, volume_id: str | None,
            project_id: str | None = None) -> bool:
    """Delete a key unless the volume, its snapshots or backups need it. Return False if that fails;
    it is noted then, and deleted later.

    The fixed key is never deleted.

    :param volume_id: None: the key was made for an image.
    :param project_id: project that the key belongs to; that of the caller by default.
    """
    return key_id in (None, options.FIXED_KEY_ID) or _delete_if_unused(
        ctxt, key_id, volume_id, project_id) is not None


def _delete_if_unused(ctxt: RequestContext, key_id: str, volume_id: str | None,
                      project_id: str | None = None,
                      users: 'list[RequestContext | Credential] | None' = None) -> bool | None:
    """Return whether a key was deleted; False: it is used; None: that failed, and it is noted."""
    try:
        if volume_id is not None and keys_db.is_used(ctxt, key_id, volume_id):
            return False
        _delete(users or identities(ctxt), key_id)
    except Exception as exc:
        LOG.warning('Key %s is no longer used, but could not be deleted from the key manager, '
                    'which is tried again later: %s', key_id, failures.one_line(exc))
        with contextlib.suppress(Exception):
            unused_keys.note(ctxt, key_id, volume_id, project_id or ctxt.project_id)
        return None
    return True


def withdraw(ctxt: RequestContext, key_id: str, resource_id: str) -> None:
    """Delete a key that was made for a resource which is not created; see release()."""
    if release(ctxt, key_id, resource_id):
        marks.removed(ctxt, key_id)


def delete_abandoned(ctxt: RequestContext, limit: int = 3) -> None:
    """Delete keys that requests of the project of the caller have made without a commit, and keys
    of the services. Those of other users of the project are left if the key manager does not let
    them be deleted; see left_keys.py."""
    for project_id, who in ((ctxt.project_id, identities(ctxt)[0]), (None, service_credentials())):
        if who is None or (project_id is None) != (who is not ctxt):
            continue
        for intent in key_intents.abandon(ctxt, project_id, limit):
            delete_uncommitted(ctxt, identities(ctxt) if who is ctxt else [who], intent,
                               who is not ctxt or intent.user_id == ctxt.user_id)


def delete_uncommitted(ctxt: RequestContext, users: 'list[RequestContext | Credential]',
                       intent: key_intents.Intent, sees_all: bool) -> None:
    """Delete the key of a request that was given up, if it exists and has no user. A failure is
    logged.

    :param users: who may delete the key; the first one looks for it
    :param sees_all: a key that is not found is not there; Barbican may hide those of others
    """
    try:
        found = marks.named(manager(), users[0], marks.PREFIX + intent.id)
        for key_id in found:
            if not keys_db.has_user(ctxt, key_id):
                _delete(users, key_id)
                LOG.info('Key %s was deleted: the request that created it did not commit.', key_id)
        if found or sees_all:
            key_intents.end(ctxt, intent.id)
    except Exception as exc:
        LOG.warning('It cannot be found out whether key %s%s was created for nothing, which is '
                    'tried again later: %s', marks.PREFIX, intent.id, failures.one_line(exc))


def delete_unused(ctxt: RequestContext, limit: int = 10) -> int:
    """Delete keys of the project of the caller that were noted as unused; return how many are
    left of those that were tried."""
    if not ctxt.project_id:
        return 0
    return sum(not delete_noted(ctxt, found)
               for found in unused_keys.of_project(ctxt, ctxt.project_id, limit))


def delete_noted(ctxt: RequestContext, found: unused_keys.UnusedKey,
                 users: 'list[RequestContext | Credential] | None' = None) -> bool:
    """Delete a key that was noted as unused, unless it is used; return False if that fails.

    :param users: who may delete it; identities() by default.
    """
    deleted = _delete_if_unused(ctxt, *found, users=users)
    if deleted is None:
        unused_keys.put_last(ctxt, found.id)
        return False
    unused_keys.forget(ctxt, found.id)
    # What used it may have ended meanwhile, and left the note that was there.
    return deleted or release(ctxt, *found)


def _delete(users: 'list[RequestContext | Credential]', key_id: str) -> None:
    from castellan.common import exception as castellan_exception
    *earlier, last = users
    with contextlib.suppress(castellan_exception.ManagedObjectNotFoundError, KeyError):
        for who in earlier:
            # A key that the service created may be deleted by the service only.
            with contextlib.suppress(castellan_exception.KeyManagerError,
                                     castellan_exception.Forbidden):
                manager().delete(who, key_id)
                return
        manager().delete(last, key_id)
