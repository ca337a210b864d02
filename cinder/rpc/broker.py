# SPDX-License-Identifier: Apache-2.0
"""What a RabbitMQ broker thinks of us: reached as oslo.messaging reaches it, but without endless
attempts, so that a refusal is told apart from a broker that is away."""

import contextlib
import ssl
from collections.abc import Iterable, Iterator

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging._drivers import common, impl_rabbit

from cinder import exception, utils

# Codes of AMQP 0-9-1 and what they mean for an operator.
_REFUSALS = {
    403: 'The message broker refuses the user or password of transport_url, or a right of that '
         'user: {said}. Mend transport_url, or the user at the broker.',
    406: 'The message broker has a queue or exchange of other properties than this configuration '
         'gives it: {said}. Delete it at the broker while no service uses it (rabbitmqctl '
         'delete_queue NAME), or set amqp_durable_queues, amqp_auto_delete and the rabbit_* '
         'options of [oslo_messaging_rabbit] as they were.',
    530: 'The message broker does not let us use the virtual host of transport_url: {said}. Mend '
         'transport_url, or add the virtual host at the broker.',
}
_TLS = ('TLS with the message broker fails: {said}. [oslo_messaging_rabbit] ssl, ssl_ca_file, '
        'ssl_cert_file and ssl_key_file must fit the port of transport_url and the certificate '
        'there.')


class Probe(impl_rabbit.Connection):
    """A connection with all the options of the library, which is made by open()."""

    def __init__(self, conf: cfg.ConfigOpts, url: messaging.TransportURL) -> None:
        super().__init__(conf, url, common.PURPOSE_LISTEN)

    def ensure_connection(self) -> None:
        """The base class would connect here, for as long as it takes."""

    def open(self) -> None:
        """Connect, or raise what the broker says."""
        self.channel = self.connection.channel()

    def declare_consumer(self, consumer: impl_rabbit.Consumer) -> None:
        """Declare its exchange and queue once; the base class would try for ever."""
        consumer.declare(self)


def ask(conf: cfg.ConfigOpts, url: messaging.TransportURL, topic: str | None = None,
        servers: Iterable[str] = ()) -> None:
    """Log in, and declare the queues of a service as the library will.

    :param topic: of the service; None: only log in
    :param servers: its names
    :raises InvalidConfigurationValue: the broker refuses what is configured.
    :raises OSError: it is away, or does not say why it ends the connection.
    """
    probe = Probe(conf, url)
    with _refusals(), contextlib.closing(probe.connection):
        probe.open()
        if topic:
            exchange = conf.control_exchange
            for name in (topic, *(f'{topic}.{server}' for server in servers)):
                probe.declare_topic_consumer(exchange, name)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as exc:
        raise exception.InvalidConfigurationValue(_TLS.format(said=utils.one_line(exc))) from exc
    except OSError:
        raise
    except Exception as exc:  # the library of AMQP and kombu have their own for each code
        words = _REFUSALS.get(getattr(exc, 'code', None))
        if words is None:
            raise OSError(utils.one_line(exc)) from exc
        raise exception.InvalidConfigurationValue(words.format(said=utils.one_line(exc))) from exc


def check_compression(name: str | None) -> None:
    """:raises LookupError: there is no such compression of messages"""
    if name:
        impl_rabbit.kombu.compression.get_encoder(name)
