# SPDX-License-Identifier: Apache-2.0
"""Kinds of options that oslo.config does not have."""

import re
from typing import Any

from oslo_config import cfg, types


class Names(types.List):
    """A list in which nothing between two commas is no entry."""

    def __call__(self, value: Any) -> list[Any]:
        return [entry for entry in super().__call__(value) if entry]


class Regex(types.String):
    """A text that is a regular expression."""

    def __call__(self, value: Any) -> str:
        text = super().__call__(value)
        try:
            re.compile(text)
        except re.error as exc:
            raise ValueError(f'it is no regular expression: {exc}') from None
        return text


class NamesOpt(cfg.Opt):
    """An option that holds names, separated by commas."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, type=Names(), **kwargs)
