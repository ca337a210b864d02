# SPDX-License-Identifier: Apache-2.0
"""`application`: the API for an external WSGI server such as uWSGI, gunicorn or mod_wsgi.

That server forks, listens and stops. Nothing is monkey-patched, so its threads are native ones.
"""
import os

from oslo_log import log as logging

from cinder import conf as cinder_conf
from cinder import config_check, exception, fault_points, masking, metrics, objects, version
from cinder.api import paste_file
from cinder.api.middleware import measured
from cinder.conf import CONF, logs
from cinder.db import notices, services, session
from cinder.metrics import directories
from cinder.rpc import base as rpc
from cinder.wsgi import acknowledge, middleware

# The command line belongs to the server: an environment variable has the files, separated by ';'.
FILES = 'OS_CINDER_CONFIG_FILES'
FOLDER = 'OS_CINDER_CONFIG_DIR'


def _arguments() -> list[str]:
    files = filter(None, os.environ.get(FILES, '').split(';'))
    folder = os.environ.get(FOLDER)
    return [*(f'--config-file={path}' for path in files),
            *([f'--config-dir={folder}'] if folder else [])]


def initialize_application() -> acknowledge.Acknowledging:
    """Configure this process and build the application of api_paste_config.

    :raises SystemExit: a file or value is not valid, or the tables are not of this release.
    """
    objects.register_all()
    logging.register_options(CONF)
    logs.set_defaults()
    middleware.set_defaults()
    cinder_conf.configure(['cinder-api', *_arguments()], version.version_string())
    fatal = config_check.first_fatal(CONF, config_check.API)
    if fatal:
        raise SystemExit(f'cinder-api: {masking.masked(fatal)}')
    logs.setup(CONF, version.version_string())
    if CONF.metrics.enabled:
        metrics.start(directories.shared(CONF.metrics.directory) or directories.create('api'))
    try:
        session.verify()
    except exception.DatabaseRefused as exc:
        raise SystemExit(f'cinder-api: {exc}') from None
    fault_points.arm(CONF.fault_points)
    config_check.warn(CONF)
    rpc.init(CONF, services.minimum_versions, store=notices)
    path = CONF.find_file(CONF.api_paste_config)
    return acknowledge.Acknowledging(measured.measured(paste_file.load(os.path.abspath(path))))


application = initialize_application()
