# SPDX-License-Identifier: Apache-2.0
"""Types of options that oslo.config does not have."""

import re
from typing import Any

from oslo_config import cfg, types


class Names(types.List):
    """A list without empty entries."""

    def __call__(self, value: Any) -> list[Any]:
        return [entry for entry in super().__call__(value) if entry]


class Regex(types.String):
    """A string that is a regular expression."""

    def __call__(self, value: Any) -> str:
        text = super().__call__(value)
        try:
            re.compile(text)
        except re.error as exc:
            raise ValueError(f'it is not a regular expression: {exc}') from None
        return text


class NamesOpt(cfg.Opt):
    """An option with a list of names, separated by commas."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, type=Names(), **kwargs)
