# SPDX-License-Identifier: Apache-2.0
"""The configuration files as text: how oslo.config parses them here, which they are, and each
setting with its line. What the settings mean is decided elsewhere."""

import glob
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from oslo_config import cfg, iniparser

# What no value can need and what would end in a library's error at some later time.
_CONTROL = re.compile(r'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')


class Setting(NamedTuple):
    """One assignment of a file.

    :param value: as written, lines joined by newlines
    :param line: number of its first line
    """

    section: str
    name: str
    value: str
    path: str
    line: int

    @property
    def option(self) -> str:
        """The option as messages name it."""
        return f'[{self.section}] {self.name}'

    @property
    def place(self) -> str:
        return f'{self.path}:{self.line}'


class Parser(cfg.ConfigParser):
    """Takes the place of oslo.config's parser. It reads UTF-8 in any locale, and leaves out an
    option without a value: generated files hold such lines, and mean that it is not set."""

    def parse(self) -> None:
        """:raises cfg.Error: with file and line: what is there cannot be read"""
        # The empty line at the end ends the last assignment, so that all end alike.
        iniparser.BaseParser.parse(self, [*_lines(self.filename), ''])

    def assignment(self, key: str, value: list[str]) -> None:
        if not self.section:
            raise self.parse_exc('Section must be started before assignment',
                                 self.lineno - len(value))
        if any(line.strip() for line in value):
            super().assignment(key, value)


class _Recorder(Parser):
    """Keeps every assignment, those without a value too."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, {})
        self.found: list[Setting] = []

    def assignment(self, key: str, value: list[str]) -> None:
        super().assignment(key, value)
        self.found.append(Setting(self.section, key, '\n'.join(value), self.filename,
                                  self.lineno - len(value)))


def install() -> None:
    """Have oslo.config parse files with Parser, also when it reads them again."""
    cfg.ConfigParser = Parser


def paths(conf: cfg.ConfigOpts) -> Iterator[str]:
    """The files of a parsed configuration; a later one wins over an earlier one."""
    for path in conf.config_file or ():
        yield os.path.abspath(os.path.expanduser(path))
    for folder in folders(conf):
        yield from sorted(glob.glob(os.path.join(folder, '*.conf')))


def folders(conf: cfg.ConfigOpts) -> list[str]:
    """The folders whose files belong to a parsed configuration."""
    return [os.path.abspath(os.path.expanduser(folder))
            for folder in conf.config_dirs or conf.config_dir or ()]


def settings(conf: cfg.ConfigOpts) -> list[Setting]:
    """Every assignment in the files of a configuration, in the order in which they are read.

    :raises cfg.Error, OSError: a file was changed since, and cannot be read now
    """
    return [setting for path in paths(conf) for setting in settings_of(path)]


def settings_of(path: str) -> list[Setting]:
    """Every assignment in one file.

    :raises cfg.Error, OSError: it cannot be read
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
        raise cfg.ConfigFileParseError(path, 'it is a folder') from None
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
