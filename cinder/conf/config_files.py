# SPDX-License-Identifier: Apache-2.0
"""The configuration files as text: the parser that oslo.config uses, the list of files, and each
setting with its line. Other modules interpret the settings."""

import glob
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from oslo_config import cfg, iniparser

# No value needs these characters, and libraries fail on them later.
_CONTROL = re.compile(r'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')


class Setting(NamedTuple):
    """One assignment in a file.

    :param value: as written, its lines joined by newlines
    :param line: number of its first line
    """

    section: str
    name: str
    value: str
    path: str
    line: int

    @property
    def option(self) -> str:
        """The option as it is shown in messages: '[section] name'."""
        return f'[{self.section}] {self.name}'

    @property
    def place(self) -> str:
        return f'{self.path}:{self.line}'


class Parser(cfg.ConfigParser):
    """Replaces the parser of oslo.config. It reads UTF-8 in any locale and ignores options without
    a value: generated files contain such lines for options that are not set."""

    def parse(self) -> None:
        """:raises cfg.Error: the file cannot be parsed; the text has the path and line."""
        # An empty last line ends the last assignment in the same way as the others.
        iniparser.BaseParser.parse(self, [*_lines(self.filename), ''])

    def assignment(self, key: str, value: list[str]) -> None:
        if not self.section:
            raise self.parse_exc('Section must be started before assignment',
                                 self.lineno - len(value))
        if any(line.strip() for line in value):
            super().assignment(key, value)


class _Recorder(Parser):
    """Records every assignment, including those without a value."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, {})
        self.found: list[Setting] = []

    def assignment(self, key: str, value: list[str]) -> None:
        super().assignment(key, value)
        self.found.append(Setting(self.section, key, '\n'.join(value), self.filename,
                                  self.lineno - len(value)))


def install() -> None:
    """Make oslo.config use Parser, also when it reloads the files."""
    cfg.ConfigParser = Parser


def paths(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Yield the paths of the files of a parsed configuration; later files override earlier ones."""
    for path in conf.config_file or ():
        yield os.path.abspath(os.path.expanduser(path))
    for folder in directories(conf):
        yield from sorted(glob.glob(os.path.join(folder, '*.conf')))


def directories(conf: cfg.ConfigOpts) -> list[str]:
    """Return the configuration directories of a parsed configuration."""
    return [os.path.abspath(os.path.expanduser(folder))
            for folder in conf.config_dirs or conf.config_dir or ()]


def settings(conf: cfg.ConfigOpts) -> list[Setting]:
    """Return every assignment in the files of a configuration, in the order of reading.

    :raises cfg.Error, OSError: a file has changed and cannot be read now
    """
    return [setting for path in paths(conf) for setting in read_settings(path)]


def read_settings(path: str) -> list[Setting]:
    """Return every assignment in one file.

    :raises cfg.Error, OSError: the file cannot be read
    """
    recorder = _Recorder(path)
    try:
        recorder.parse()
    except iniparser.ParseError as exc:
        raise cfg.ConfigFileParseError(path, str(exc)) from exc
    return recorder.found


def _lines(path: str) -> list[str]:
    try:
        with open(path, 'rb') as file:
            raw = file.read()
    except IsADirectoryError:
        raise cfg.ConfigFileParseError(path, 'it is a directory') from None
    lines = raw.removeprefix(b'\xef\xbb\xbf').replace(b'\r\n', b'\n').split(b'\n')
    return [_text(path, number, line) for number, line in enumerate(lines, 1)]


def _text(path: str, number: int, line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as exc:
        raise cfg.ConfigFileParseError(
            path, f'line {number} has the byte {line[exc.start]:#04x}, which is not UTF-8',
        ) from None
    control = _CONTROL.search(text)
    if control:
        raise cfg.ConfigFileParseError(
            path, f'line {number} has the control character {ord(control[0]):#04x}')
    return text
