# SPDX-License-Identifier: Apache-2.0
"""Keys made, copied, compared and removed in the configured key manager.

castellan is imported with the first key: most requests need none. A key belongs to who made it,
so the caller's token is used; tokens do not travel on the bus, so this is work of the API.
"""
import contextlib
import functools
from collections.abc import Iterator, Mapping

from oslo_log import log as logging

from cinder import exception
from cinder.conf import CONF
from cinder.conf import keymgr as options
from cinder.context import RequestContext
from cinder.db import encryption_keys as keys_db

LOG = logging.getLogger(__name__)

# What compute services use where the type names no cipher or size.
DEFAULT_ALGORITHM, DEFAULT_BITS = 'aes', 256


# ------------------------------------------------------------------------------- which manager
def backend() -> str:
    """[key_manager]/backend; the manager of the fixed key where it is not set."""
    from castellan import key_manager
    CONF.register_opts(key_manager.key_manager_opts, group=options.GROUP)
    CONF.set_default('backend', options.FIXED_BACKEND, options.GROUP)
    return CONF.key_manager.backend


def is_fixed() -> bool:
    """Whether the fixed key is the only one there is."""
    # castellan too goes by the class: the original has its manager under other paths as well.
    return backend().endswith('ConfKeyManager')


def is_set_up() -> bool:
    """Whether there is a key manager at all."""
    return bool(CONF.key_manager.fixed_key) or not is_fixed()


def manager():
    """The castellan KeyManager of the configuration.

    :raises Exception: whatever a manager raises that cannot be made.
    """
    return _make(backend(), CONF.key_manager.fixed_key)


@functools.lru_cache(1)
def _make(_backend: str, _fixed_key: str | None):
    if is_fixed():
        from cinder.keymgr import conf_key_mgr
        return conf_key_mgr.ConfKeyManager(CONF)
    from castellan import key_manager
    # With a fixed key set, castellan wraps this manager so that it knows the id of zeros too.
    return key_manager.API(CONF)


def service_credentials():
    """The service's own identity by [key_manager]/auth_type; None where it has none."""
    from castellan.common import utils
    CONF.register_opts(utils.credential_opts, group=options.GROUP)
    return utils.credential_factory(CONF) if CONF.key_manager.auth_type else None


def _identities(ctxt: RequestContext) -> list:
    """Who may be asked for, the best first."""
    service = service_credentials()
    found = [ctxt] if ctxt.auth_token or service is None else []
    return found if service is None else [*found, service]


@contextlib.contextmanager
def _answers(what: str) -> Iterator[None]:
    """Tell what goes wrong in the words of the API; managers raise what their clients raise."""
    try:
        yield
    except Exception as exc:
        LOG.exception('The key manager cannot %s.', what)
        raise exception.KeyManagerUnavailable() from exc


# ----------------------------------------------------------------------------------- the keys
def create(ctxt: RequestContext, encryption: Mapping) -> str:
    """Make a key for the encryption settings of a volume type; returns its id.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    algorithm = (encryption['cipher'] or DEFAULT_ALGORITHM).partition('-')[0]
    with _answers('make a key'):
        return manager().create_key(_identities(ctxt)[0], algorithm=algorithm,
                                    length=encryption['key_size'] or DEFAULT_BITS)


def copy(ctxt: RequestContext, key_id: str) -> str:
    """Keep the same key under another id, which is returned; the fixed key has but one.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    with _answers(f'copy key {key_id}'):
        who = _identities(ctxt)[0]
        return manager().store(who, manager().get(who, key_id))


def same(ctxt: RequestContext, one: str | None, other: str | None) -> bool:
    """Whether what is encrypted with one key can be read with the other.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if one == other or None in (one, other):
        return one == other
    with _answers(f'compare keys {one} and {other}'):
        who = _identities(ctxt)[0]
        found = [manager().get(who, key_id).get_encoded() for key_id in (one, other)]
    return found[0] == found[1]


def release(ctxt: RequestContext, key_id: str | None, volume_id: str) -> bool:
    """Remove a key unless the volume, its snapshots or backups need it; False where it is left.

    The fixed key always stays.
    """
    if key_id in (None, options.FIXED_KEY_ID):
        return True
    try:
        if not keys_db.is_used(ctxt, key_id, volume_id):
            _delete(ctxt, key_id)
    except Exception:
        LOG.exception('Key %s is not used any more and is left in the key manager.', key_id)
        return False
    return True


def _delete(ctxt: RequestContext, key_id: str) -> None:
    from castellan.common import exception as castellan_exception
    *earlier, last = _identities(ctxt)
    with contextlib.suppress(castellan_exception.ManagedObjectNotFoundError, KeyError):
        for who in earlier:
            # A key that the service made may only be removed by the service.
            with contextlib.suppress(castellan_exception.KeyManagerError,
                                     castellan_exception.Forbidden):
                manager().delete(who, key_id)
                return
        manager().delete(last, key_id)
