# SPDX-License-Identifier: Apache-2.0
"""Values that clients write as Python literals in query strings and references."""
import ast
from typing import Any


def literal_dict(text: str) -> dict[Any, Any] | None:
    """Return the dictionary that a client wrote as a Python literal, or None when the text is not
    one."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
