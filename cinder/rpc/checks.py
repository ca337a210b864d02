# SPDX-License-Identifier: Apache-2.0
"""Checks the configuration of the message bus without connecting. Services check the broker itself
when they start."""

import os
import ssl
from collections.abc import Iterator

import oslo_messaging as messaging
from oslo_config import cfg

from cinder import failures, masking
from cinder.conf import certificates
from cinder.conf.problem import Problem

_EXAMPLE = 'rabbit://USER:PASSWORD@HOST:5672/VHOST'
_TLS = ('ssl_key_file', 'ssl_cert_file', 'ssl_ca_file')


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the URL, its driver, and the options of the RabbitMQ driver."""
    try:
        messaging.get_rpc_transport(conf).cleanup()
        url = messaging.TransportURL.parse(conf)
    except Exception as exc:  # drivers raise various errors for an invalid URL
        yield Problem(f'[DEFAULT] transport_url = {_shown(conf)} cannot be used: {_said(exc, conf)}'
                      f'; expected {_EXAMPLE}. In the user name and password, write @ as %40, / as '
                      '%2F, % as %25.')
        return
    for host in url.hosts:
        if host.port is not None and not 0 < host.port < 65536:
            yield Problem(f'[DEFAULT] transport_url = {_shown(conf)} cannot be used: port '
                          f'{host.port} is not in the range 1 to 65535.')
            return
    if url.transport.startswith('rabbit'):
        if '://' not in (conf.transport_url or ''):
            yield Problem(f'[DEFAULT] transport_url = {_shown(conf)} has no host; expected '
                          f'{_EXAMPLE}.')
            return
        yield from _check_rabbit(conf, url)


def _check_rabbit(conf: cfg.ConfigOpts, url: messaging.TransportURL) -> Iterator[Problem]:
    # Loaded only for RabbitMQ.
    from cinder.rpc import broker
    section = conf.oslo_messaging_rabbit
    try:
        broker.Probe(conf, url)
        broker.check_compression(section.kombu_compression)
        if section.ssl:
            _load_tls(section)
    except Exception as exc:  # the libraries raise various errors
        names = ', '.join(f'{name} = {section[name]}' for name in (
            *(_TLS if section.ssl else ()), 'heartbeat_rate', 'kombu_compression'))
        yield Problem('The options of [oslo_messaging_rabbit] cannot be used: '
                      f'{failures.one_line(exc).rstrip(".")} ({names}).')


def _load_tls(section: cfg.ConfigOpts.GroupAttr) -> None:
    """:raises OSError, ValueError: a file cannot be used"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in _TLS:
        if section[name] and not os.access(section[name], os.R_OK):
            raise ValueError(f'{name} does not exist or cannot be read')
    if section.ssl_ca_file:
        context.load_verify_locations(section.ssl_ca_file)
    if section.ssl_cert_file:
        context.load_cert_chain(section.ssl_cert_file, section.ssl_key_file or None,
                                password=certificates.no_pass_phrase)


def _shown(conf: cfg.ConfigOpts) -> str:
    return masking.without_user(conf.transport_url or '')


def _said(exc: Exception, conf: cfg.ConfigOpts) -> str:
    """Return the text of an error without the URL."""
    if isinstance(exc, ValueError):
        return 'it has another form'  # the text of the library has a part of the password
    text = failures.one_line(exc)
    return text.replace(conf.transport_url, _shown(conf)) if conf.transport_url else text
