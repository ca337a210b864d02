# SPDX-License-Identifier: Apache-2.0
"""CONF with every option registered, and how a program fills it. One module per concern holds
the options; options of libraries are registered by whoever uses the library."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from cinder.conf import config_files, options

CONF = cfg.CONF
# OS_SECTION__OPTION, which oslo.config reads.
_VARIABLE = re.compile(r'OS_[A-Z0-9_]+?__[A-Z0-9_]+')
# What it prints of a value that may stand on the command line.
_ARGUMENT = re.compile(r'argument --(\S+): Invalid (.*) value: (.*)', re.DOTALL)
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
    :raises SystemExit: with one line for the operator, for a file that cannot be read. Values are
        checked by cinder.config_check.
    """
    prog = os.path.basename(argv[0])
    _forget_empty_variables()
    try:
        with _told_by_us():
            conf(argv[1:], project='cinder', prog=prog, version=version,
                 default_config_files=_first('cinder.conf'),
                 default_config_dirs=_first('cinder.conf.d'))
        _require_folders(conf)
    except (cfg.Error, OSError) as exc:
        raise SystemExit(f'{prog}: {exc}') from exc


def _forget_empty_variables() -> None:
    """Take an option whose variable of the environment is empty as not set, as in a file."""
    for name in [name for name, value in os.environ.items()
                 if not value and _VARIABLE.fullmatch(name)]:
        del os.environ[name]


@contextlib.contextmanager
def _told_by_us() -> Iterator[None]:
    """Raise what oslo.config prints before it exits because of the value of an option that can
    stand on the command line too; it calls it an argument, wherever it stands."""
    terminal, said = sys.stderr, io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit:
        found = _ARGUMENT.fullmatch(said.getvalue().strip())
        if found:
            raise cfg.ConfigFileValueError(
                f'[DEFAULT] {found[1]} = {found[3]} is no valid {found[2]} value.') from None
        terminal.write(said.getvalue())
        raise
    terminal.write(said.getvalue())


def _require_folders(conf: cfg.ConfigOpts) -> None:
    """Stop at a folder that cannot be listed: oslo.config finds no file in it and says nothing."""
    for folder in config_files.folders(conf):
        os.listdir(folder)


def _first(name: str) -> list[str]:
    home, system = (os.path.join(os.path.expanduser(folder), name) for folder in FOLDERS)
    if os.path.exists(home):
        return [home]
    try:
        os.stat(system)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [system]


config_files.install()
register(CONF)
