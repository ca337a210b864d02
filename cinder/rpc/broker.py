# SPDX-License-Identifier: Apache-2.0
"""What a RabbitMQ broker thinks of us: reached as oslo.messaging reaches it, but without endless
attempts, so that a refusal is told apart from a broker that is away."""

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging._drivers import common, impl_rabbit


class Probe(impl_rabbit.Connection):
    """A connection with all the options of the library that is made when connect() is called."""

    def __init__(self, conf: cfg.ConfigOpts, url: messaging.TransportURL) -> None:
        super().__init__(conf, url, common.PURPOSE_LISTEN)

    def ensure_connection(self) -> None:
        """The base class would connect here, for as long as it takes."""


def check_compression(name: str | None) -> None:
    """:raises LookupError: there is no such compression of messages"""
    if name:
        impl_rabbit.kombu.compression.get_encoder(name)
