# SPDX-License-Identifier: Apache-2.0
"""Tracing with osprofiler, which is not even imported unless it is switched on."""
import logging
from collections.abc import Callable

from oslo_config import cfg

from cinder import context
from cinder.conf import CONF

LOG = logging.getLogger(__name__)


def setup_profiler(binary: str, host: str) -> None:
    """Send traces of this process to osprofiler's collector when [profiler] enabled is set."""
    if not _enabled():
        return
    from osprofiler import initializer, opts
    opts.set_defaults(CONF)
    initializer.init_from_conf(conf=CONF, context=context.get_admin_context().to_dict(),
                               project='cinder', service=binary, host=host)
    LOG.warning('Profiling is on: whoever knows an HMAC key of [profiler] hmac_keys can have any '
                'request to the API traced and read the trace. Only the administrator should know '
                'the keys.')


def traced(application: Callable) -> Callable:
    """The application with a trace of each request whose trace headers an HMAC key has signed;
    the application itself when tracing is off."""
    if not _enabled():
        return application
    from osprofiler import web
    return web.WsgiMiddleware(application, enabled=True)


def _enabled() -> bool:
    """osprofiler declares the option, and no other declaration can stand beside it in CONF."""
    probe = cfg.ConfigOpts()
    probe.register_opt(cfg.BoolOpt('enabled', default=False), group='profiler')
    probe([], default_config_files=CONF.config_file or [],
          default_config_dirs=CONF.config_dir or [])
    return probe.profiler.enabled
