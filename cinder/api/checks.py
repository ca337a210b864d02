# SPDX-License-Identifier: Apache-2.0
"""Whether the files that the API reads can be used: paste, policy, list filters, and what TLS
needs. Whether the application can be made of the paste file is found by making it."""

import configparser
import os
import socket
import ssl
from collections.abc import Iterator

from oslo_config import cfg
from oslo_service import sslutils

from cinder import exception, failures
from cinder.api import filters
from cinder.conf import certificates, server
from cinder.conf.problem import Problem

# Messages of a handshake in memory, one way; TLS 1.3 needs three, older versions five.
_MESSAGES = 8


def check_paste_file(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """It is there and is an INI file."""
    server.register(conf)
    name = conf.api_paste_config or ''
    path = name if os.path.isabs(name) else conf.find_file(name)
    reason = 'it was not found beside the configuration files; give its path.'
    if path and os.path.isfile(path):
        reason = _unreadable(path)
    if reason:
        yield Problem(f'[DEFAULT] api_paste_config = {name} cannot be used: {reason}')


def _unreadable(path: str) -> str | None:
    try:
        with open(path, encoding='utf-8') as file:
            configparser.RawConfigParser(strict=False).read_file(file)
    except (OSError, ValueError, configparser.Error) as exc:
        return getattr(exc, 'strerror', None) or failures.one_line(exc)
    return None


def check_policy_file(_conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Its rules can be read; requests would find that out otherwise, one by one."""
    from cinder import policy  # other daemons load this module, and have no policies
    try:
        policy.enforcer()
    except exception.InvalidPolicyFile as exc:
        yield Problem(failures.one_line(exc))
    except Exception as exc:  # whatever the library makes of its options
        yield Problem(f'The options of [oslo_policy] cannot be used: {failures.one_line(exc)}')


def check_filters_file(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """It is a JSON object of lists where it is there."""
    path = conf.resource_query_filters_file
    reason = filters.unusable(path or '')
    if reason:
        yield Problem(f'[DEFAULT] resource_query_filters_file = {path} cannot be used: {reason}')


def check_tls(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """A client can connect with the certificate, key, version and ciphers of [ssl]."""
    if not conf.osapi_volume_use_ssl:
        return
    server.register(conf)
    try:
        if not sslutils.is_enabled(conf):
            yield Problem('osapi_volume_use_ssl is set and [ssl] cert_file and key_file are not.')
            return
        # The library would ask for the pass phrase on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            conf.ssl.cert_file, conf.ssl.key_file, password=certificates.no_pass_phrase)
        with socket.socket() as unconnected:
            context = sslutils.wrap(conf, unconnected).context
        _shake_hands(context)
    except (OSError, ValueError, RuntimeError) as exc:
        yield Problem(f'[ssl] cert_file = {conf.ssl.cert_file}, key_file = {conf.ssl.key_file}, '
                      f'ca_file = {conf.ssl.ca_file}, version = {conf.ssl.version}, ciphers = '
                      f'{conf.ssl.ciphers} do not make a server: {_said(exc)}.')


def _said(exc: Exception) -> str:
    """OpenSSL's words without the place in its source."""
    return failures.one_line(exc).partition(' (_ssl.c')[0]


def _shake_hands(context: ssl.SSLContext) -> None:
    """Connect to ourselves in memory, as a client that trusts everybody.

    :raises ssl.SSLError: no client of this OpenSSL can.
    """
    # Whether clients have certificates of their own is not asked here.
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
