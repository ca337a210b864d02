# SPDX-License-Identifier: Apache-2.0
"""How exceptions are shown: one line in messages, and a traceback in the log where it helps."""
import logging
import os
import sys
import traceback

from cinder import exception, masking

# The texts of these exceptions are complete; others need the name and the place of the exception.
_SPEAKING = (OSError, ImportError, RuntimeError, ValueError, exception.CinderException)


def one_line(exc: BaseException) -> str:
    """Return the text of an exception in one line and without passwords. Exceptions outside of
    _SPEAKING also get their class and place."""
    text = masking.masked(' '.join(str(exc).split()))
    if type(exc).__module__ != 'builtins' or isinstance(exc, _SPEAKING):
        return text or type(exc).__name__
    place = ''
    frames = traceback.extract_tb(exc.__traceback__)
    if frames:
        place = f' ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})'
    return f'{type(exc).__name__}: {text}{place}'


def log(log: logging.Logger, text: str, *args: object) -> None:
    """Log the exception that is being handled, with its traceback. A service that is unavailable is
    a warning without traceback; trouble with the database was logged by cinder.db.session."""
    exc = sys.exc_info()[1]
    if isinstance(exc, exception.DatabaseTrouble):
        log.debug(text, *args, exc_info=True)
    elif isinstance(exc, exception.ServiceUnavailable):
        log.warning(f'{text} %s', *args, one_line(exc))
    else:
        log.exception(text, *args)
