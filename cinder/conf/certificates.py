# SPDX-License-Identifier: Apache-2.0
"""Password function for loading keys: raises an error instead of a prompt on the terminal."""


def no_pass_phrase() -> str:
    """Raise an error in place of the terminal prompt of OpenSSL."""
    raise ValueError('the key is encrypted; a daemon cannot ask for the pass phrase; use a key '
                     'without one')
