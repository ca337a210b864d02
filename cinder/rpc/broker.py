# SPDX-License-Identifier: Apache-2.0
"""Login to a RabbitMQ broker with the options of oslo.messaging but without endless retries, so
that a broker that refuses the login can be distinguished from one that is unreachable."""

import contextlib
import ssl
from collections.abc import Iterable, Iterator

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging._drivers import common, impl_rabbit

from cinder import exception, failures

# Reply codes of AMQP 0-9-1 and their meaning for an operator.
_REFUSALS = {
    403: 'The message broker refused the user or password of transport_url, or an access right of '
         'that user: {said}. Correct transport_url, or the user at the broker.',
    406: 'The message broker has a queue or exchange with other properties than this configuration '
         'declares: {said}. Delete it at the broker while no service uses it (rabbitmqctl '
         'delete_queue NAME), or restore the previous values of amqp_durable_queues, '
         'amqp_auto_delete and the rabbit_* options of [oslo_messaging_rabbit].',
    530: 'The message broker refused access to the virtual host of transport_url: {said}. Correct '
         'transport_url, or create the virtual host at the broker.',
}
_TLS = ('TLS with the message broker failed: {said}. [oslo_messaging_rabbit] ssl, ssl_ca_file, '
        'ssl_cert_file and ssl_key_file must match the port of transport_url and the certificate '
        'of the broker.')


class Probe(impl_rabbit.Connection):
    """A connection with all options of the library, opened by open()."""

    def __init__(self, conf: cfg.ConfigOpts, url: messaging.TransportURL) -> None:
        super().__init__(conf, url, common.PURPOSE_LISTEN)

    def ensure_connection(self) -> None:
        """Do nothing; the base class would connect here, with endless retries."""

    def open(self) -> None:
        """Connect; raise the error of the broker."""
        self.channel = self.connection.channel()

    def declare_consumer(self, consumer: impl_rabbit.Consumer) -> None:
        """Declare the exchange and queue once; the base class would retry endlessly."""
        consumer.declare(self)


def check_login(conf: cfg.ConfigOpts, url: messaging.TransportURL, topic: str | None = None,
                servers: Iterable[str] = ()) -> None:
    """Log in, and declare the queues of a service like the library.

    :param topic: topic of the service; None: only log in
    :param servers: server names of the service
    :raises InvalidConfigurationValue: the broker refuses the configured values.
    :raises OSError: the broker is unreachable, or closes the connection without a known reason.
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
        raise exception.InvalidConfigurationValue(_TLS.format(said=failures.one_line(exc))) from exc
    except OSError:
        raise
    except Exception as exc:  # amqp and kombu have a class for each code
        words = _REFUSALS.get(getattr(exc, 'code', None))
        said = failures.one_line(exc)
        if words is None:
            raise OSError(said) from exc
        raise exception.InvalidConfigurationValue(words.format(said=said)) from exc


def check_compression(name: str | None) -> None:
    """:raises LookupError: the compression is unknown"""
    if name:
        impl_rabbit.kombu.compression.get_encoder(name)
