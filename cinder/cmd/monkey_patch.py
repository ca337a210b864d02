# SPDX-License-Identifier: Apache-2.0
"""Imported first by each daemon: sets up the threads that concurrency_backend selects, before other
modules are imported that would keep references to the standard ones."""
import argparse
import sys

from oslo_config import cfg

from cinder import concurrency, conf
from cinder.conf import service


def chosen_backend(argv: list[str]) -> str:
    """Return the value of concurrency_backend in the files that a command line names, or in the
    environment; the default if it cannot be determined. The daemon reports errors later.

    :param argv: program name and its arguments
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for option in ('--config-file', '--config-dir'):
        parser.add_argument(option, action='append', default=[])
    read = cfg.ConfigOpts()
    read.register_opt(service.CONCURRENCY_BACKEND)
    try:
        found, _others = parser.parse_known_args(argv[1:])
        conf.configure([argv[0], *(f'--config-file={path}' for path in found.config_file),
                        *(f'--config-dir={path}' for path in found.config_dir)], '', read)
        return read.concurrency_backend
    except (argparse.ArgumentError, cfg.Error, ValueError, SystemExit):
        return service.CONCURRENCY_BACKEND.default


concurrency.use(chosen_backend(sys.argv))
