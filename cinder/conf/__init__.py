# SPDX-License-Identifier: Apache-2.0
"""CONF with every option registered, and how a program fills it. One module per concern holds
the options; options of libraries are registered by whoever uses the library."""

import os
from collections.abc import Sequence

from oslo_config import cfg

from cinder.conf import options
from cinder.conf.unknown import reason, unknown_options

__all__ = ['CONF', 'configure', 'reason', 'register', 'unknown_options']

CONF = cfg.CONF
FOLDERS = ('~/.cinder', '/etc/cinder')


def register(conf: cfg.ConfigOpts) -> None:
    """Give `conf` every option of this package."""
    for group, opts in options.BY_GROUP.items():
        conf.register_opts(opts, group=None if group == 'DEFAULT' else group)


def configure(argv: Sequence[str], version: str, conf: cfg.ConfigOpts = CONF) -> None:
    """Parse the command line and the files it names.

    Without `--config-file` and `--config-dir`, `cinder.conf` and the folder `cinder.conf.d`
    are each taken from the first of FOLDERS that has them, and nothing else is looked for.

    :param argv: program name, then its arguments
    :param version: what `--version` prints
    :raises SystemExit: with one line for the operator, for a file or value that cannot be read
    """
    prog = os.path.basename(argv[0])
    try:
        conf(argv[1:], project='cinder', prog=prog, version=version,
             default_config_files=_first('cinder.conf'),
             default_config_dirs=_first('cinder.conf.d'))
        _read_all(conf)
    except cfg.Error as exc:
        raise SystemExit(f'{prog}: {exc}') from exc


def _read_all(conf: cfg.ConfigOpts) -> None:
    """Read every value once: oslo.config checks a value only when somebody asks for it, and
    a bad one is to stop the start and not a request some hours later."""
    for group, opts in options.BY_GROUP.items():
        section = conf if group == 'DEFAULT' else conf[group]
        for opt in opts:
            try:
                getattr(section, opt.dest)
            except cfg.NoSuchOptError as exc:
                # The option is there: what its value refers to is not, and oslo.config hides that.
                raise cfg.ConfigFileValueError(
                    f'Value of option {opt.dest} in group [{group}]: {exc.__context__}') from exc


def _first(name: str) -> list[str]:
    paths = (os.path.join(os.path.expanduser(folder), name) for folder in FOLDERS)
    return [path for path in paths if os.path.exists(path)][:1]


register(CONF)
