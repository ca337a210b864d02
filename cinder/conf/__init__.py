# SPDX-License-Identifier: Apache-2.0
"""CONF with all options registered, and the reading of the command line and files. One module per
topic holds the options; the module that uses a library registers the options of that library."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from cinder.conf import config_files, options

CONF = cfg.CONF
# Environment variables OS_SECTION__OPTION, which oslo.config reads.
_VARIABLE = re.compile(r'OS_[A-Z0-9_]+?__[A-Z0-9_]+')
# What oslo.config prints for a wrong value of an option that is also a command-line argument.
_ARGUMENT = re.compile(r'argument --(\S+): Invalid (.*) value: (.*)', re.DOTALL)
DIRECTORIES = ('~/.cinder', '/etc/cinder')


def register(conf: cfg.ConfigOpts) -> None:
    """Register all options of this package in `conf`."""
    for group, opts in options.BY_GROUP.items():
        conf.register_opts(opts, group=None if group == 'DEFAULT' else group)


def configure(argv: Sequence[str], version: str, conf: cfg.ConfigOpts = CONF) -> None:
    """Parse the command line and the files that it names.

    Without `--config-file` and `--config-dir`, `cinder.conf` and the directory `cinder.conf.d`
    are each taken from the first of FOLDERS that has them; no other place is searched.

    :param argv: program name and its arguments
    :param version: printed for `--version`
    :raises SystemExit: a file cannot be read; the message is one line. cinder.config_check checks
        the values.
    """
    prog = os.path.basename(argv[0])
    _forget_empty_variables()
    try:
        with _errors_as_exceptions():
            conf(argv[1:], project='cinder', prog=prog, version=version,
                 default_config_files=_first('cinder.conf'),
                 default_config_dirs=_first('cinder.conf.d'))
        _require_directories(conf)
    except (cfg.Error, OSError) as exc:
        raise SystemExit(f'{prog}: {exc}') from exc


def _forget_empty_variables() -> None:
    """Treat an option with an empty environment variable as not set, as in a file."""
    for name in [name for name, value in os.environ.items()
                 if not value and _VARIABLE.fullmatch(name)]:
        del os.environ[name]


@contextlib.contextmanager
def _errors_as_exceptions() -> Iterator[None]:
    """Raise an error instead of the output that oslo.config prints before it exits. It reports an
    option that is also a command-line argument as an argument, even if a file sets it."""
    terminal, said = sys.stderr, io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit:
        found = _ARGUMENT.fullmatch(said.getvalue().strip())
        if found:
            raise cfg.ConfigFileValueError(
                f'[DEFAULT] {found[1]} = {found[3]} is not a valid {found[2]} value.') from None
        terminal.write(said.getvalue())
        raise
    terminal.write(said.getvalue())


def _require_directories(conf: cfg.ConfigOpts) -> None:
    """Raise an error for a directory that cannot be listed; oslo.config would ignore it."""
    for folder in config_files.directories(conf):
        os.listdir(folder)


def _first(name: str) -> list[str]:
    home, system = (os.path.join(os.path.expanduser(folder), name) for folder in DIRECTORIES)
    if os.path.exists(home):
        return [home]
    try:
        os.stat(system)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [system]


config_files.install()
register(CONF)
