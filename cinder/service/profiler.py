# SPDX-License-Identifier: Apache-2.0
"""Tracing with osprofiler, which is only imported if it is enabled."""
import logging
from collections.abc import Callable

from oslo_config import cfg

from cinder import context
from cinder.conf import CONF

LOG = logging.getLogger(__name__)


def setup_profiler(binary: str, host: str) -> None:
    """Send traces of this process to the collector of osprofiler if [profiler] enabled is set."""
    if not _enabled():
        return
    from osprofiler import initializer, opts
    opts.set_defaults(CONF)
    initializer.init_from_conf(conf=CONF, context=context.get_admin_context().to_dict(),
                               project='cinder', service=binary, host=host)
    LOG.warning('Profiling is enabled: everyone who knows an HMAC key of [profiler] hmac_keys can '
                'trace any request to the API and read the trace. Only administrators should know '
                'the keys.')


def traced(application: Callable) -> Callable:
    """Return the application with traces of requests whose trace headers are signed by an HMAC key;
    the unchanged application if tracing is disabled."""
    if not _enabled():
        return application
    from osprofiler import web
    return web.WsgiMiddleware(application, enabled=True)


def _enabled() -> bool:
    """Return whether osprofiler is enabled; only osprofiler may declare the option in CONF."""
    probe = cfg.ConfigOpts()
    probe.register_opt(cfg.BoolOpt('enabled', default=False), group='profiler')
    probe([], default_config_files=CONF.config_file or [],
          default_config_dirs=CONF.config_dir or [])
    return probe.profiler.enabled
