# SPDX-License-Identifier: Apache-2.0
"""Checks the files that the API reads: paste, policy, list filters, and the files of TLS. Building
the application checks the rest of the paste file."""

import configparser
import os
import socket
import ssl
from collections.abc import Iterator

from oslo_config import cfg
from oslo_service import sslutils

from cinder import exception, failures
from cinder.api import filters, paste_file
from cinder.conf import certificates, server
from cinder.conf.problem import Problem

# Messages of a TLS handshake in both directions; TLS 1.3 needs three, older versions five.
_MESSAGES = 8


def check_paste_file(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the file exists and is an INI file."""
    path = _paste_file(conf)
    reason = 'it does not exist next to the configuration files; set its path.'
    if path and os.path.isfile(path):
        reason = _unreadable(path)
    if reason:
        yield Problem(f'[DEFAULT] api_paste_config = {conf.api_paste_config or ""} cannot be '
                      f'used: {reason}')


def _paste_file(conf: cfg.ConfigOpts) -> str | None:
    server.register(conf)
    name = conf.api_paste_config or ''
    return name if os.path.isabs(name) else conf.find_file(name)


def check_paste_filters(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Warn of options that no filter of the file reads, as in a file of the original."""
    path = _paste_file(conf)
    named = paste_file.filters(path) if path else frozenset()
    for option, reader in paste_file.READERS.items():
        if conf[option] and reader not in named:
            yield Problem(
                f'[DEFAULT] {option} = {conf[option]} has no effect: {path} has no filter '
                f'{reader}. Add one to its pipelines, or use the api-paste.ini of this release.',
                fatal=False)


def _unreadable(path: str) -> str | None:
    try:
        with open(path, encoding='utf-8') as file:
            configparser.RawConfigParser(strict=False).read_file(file)
    except (OSError, ValueError, configparser.Error) as exc:
        return getattr(exc, 'strerror', None) or failures.one_line(exc)
    return None


def check_policy_file(_conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the rules can be read; otherwise each request would fail."""
    from cinder import policy  # not needed by other daemons, which load this module too
    try:
        policy.enforcer()
    except exception.InvalidPolicyFile as exc:
        yield Problem(failures.one_line(exc))
    except Exception as exc:  # the library raises various errors for its options
        yield Problem(f'The options of [oslo_policy] cannot be used: {failures.one_line(exc)}')


def check_filters_file(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the file, if it exists, is a JSON object of lists."""
    path = conf.resource_query_filters_file
    reason = filters.unusable_reason(path or '')
    if reason:
        yield Problem(f'[DEFAULT] resource_query_filters_file = {path} cannot be used: {reason}')


def check_tls(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that a client can connect with the certificate, key, version and ciphers of [ssl]."""
    if not conf.osapi_volume_use_ssl:
        return
    server.register(conf)
    try:
        if not sslutils.is_enabled(conf):
            yield Problem('osapi_volume_use_ssl is set, but [ssl] cert_file or key_file is not.')
            return
        # Without a password function, the library would ask for the pass phrase on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            conf.ssl.cert_file, conf.ssl.key_file, password=certificates.no_pass_phrase)
        with socket.socket() as unconnected:
            context = sslutils.wrap(conf, unconnected).context
        _shake_hands(context)
    except (OSError, ValueError, RuntimeError) as exc:
        yield Problem(f'[ssl] cert_file = {conf.ssl.cert_file}, key_file = {conf.ssl.key_file}, '
                      f'ca_file = {conf.ssl.ca_file}, version = {conf.ssl.version}, ciphers = '
                      f'{conf.ssl.ciphers} cannot be used for TLS: {_said(exc)}.')


def _said(exc: Exception) -> str:
    """Return the message of OpenSSL without the place in its source."""
    return failures.one_line(exc).partition(' (_ssl.c')[0]


def _shake_hands(context: ssl.SSLContext) -> None:
    """Do a handshake in memory, with a client that verifies nothing.

    :raises ssl.SSLError: no client of this OpenSSL version can connect.
    """
    # Certificates of clients are not checked here.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (trusting.wrap_bio(to_client, to_server),
            context.wrap_bio(to_server, to_client, server_side=True))
    for turn in range(_MESSAGES):
        try:
            ends[turn % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue
