# SPDX-License-Identifier: Apache-2.0
"""Reads an option before the other modules of a program are imported, because it affects them."""
import argparse
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from cinder import conf


def read_option(option: cfg.Opt, argv: Sequence[str]) -> Any:
    """Return the value of an option of [DEFAULT] in the files that a command line names, or in the
    environment; the default if it cannot be determined. The program reports errors later.

    :param argv: program name and its arguments
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for name in ('--config-file', '--config-dir'):
        parser.add_argument(name, action='append', default=[])
    found = cfg.ConfigOpts()
    found.register_opt(option)
    try:
        words, _others = parser.parse_known_args(argv[1:])
        conf.configure([argv[0], *(f'--config-file={path}' for path in words.config_file),
                        *(f'--config-dir={path}' for path in words.config_dir)], '', found)
        return found[option.dest]
    except (argparse.ArgumentError, cfg.Error, ValueError, SystemExit):
        return option.default
