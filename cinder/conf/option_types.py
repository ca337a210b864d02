# SPDX-License-Identifier: Apache-2.0
"""Types of options that oslo.config does not have."""

import ipaddress
import json
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


class Network(types.String):
    """A network such as 192.0.2.0/24; an address is a network of its own."""

    def __call__(self, value: Any) -> str:
        text = super().__call__(value).strip()
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as exc:
            raise ValueError(f'expected a network such as 192.0.2.0/24: {exc}') from None


class JsonObject(types.String):
    """The text of a JSON object, parsed."""

    def __call__(self, value: object) -> dict[str, object]:
        if isinstance(value, dict):
            return value
        try:
            found = json.loads(super().__call__(value))
        except ValueError as exc:
            raise ValueError(f'expected a JSON object: {exc}') from exc
        if not isinstance(found, dict):
            raise ValueError('expected a JSON object, such as {"key": "value"}')
        return found

    def format_defaults(self, default: Any, sample_default: Any = None) -> list[str]:
        """Return what a sample file shows."""
        return [json.dumps(sample_default or default)]


class NamesOpt(cfg.Opt):
    """An option with a list of names, separated by commas."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, type=Names(), **kwargs)
