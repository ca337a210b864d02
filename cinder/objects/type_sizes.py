# SPDX-License-Identifier: Apache-2.0
"""The sizes that volumes of a type may have: extra specs provisioning:min_vol_size and
provisioning:max_vol_size, in GiB."""
from collections.abc import Mapping

LEAST, MOST = 'provisioning:min_vol_size', 'provisioning:max_vol_size'


def fault(specs: Mapping[str, str | None]) -> str | None:
    """Return what is wrong with both extra specs; None: nothing."""
    for key in (LEAST, MOST):
        if key in specs and not (str(specs[key]).isdecimal() and int(str(specs[key]))):
            return f"{key} is '{specs[key]}'; expected a whole number of GiB from 1"
    if LEAST in specs and MOST in specs and int(str(specs[LEAST])) > int(str(specs[MOST])):
        return f"{LEAST} = {specs[LEAST]} is greater than {MOST} = {specs[MOST]}"
    return None


def refusal(specs: Mapping[str, str], name: str, size: int) -> str | None:
    """Return why a volume of `size` GiB cannot have the type; None: it can."""
    wrong = fault(specs)
    if wrong:
        return f"volume type '{name}' cannot be used: {wrong}"
    if LEAST in specs and size < int(specs[LEAST]):
        return (f"a volume of type '{name}' must have at least {specs[LEAST]} GiB ({LEAST}), but "
                f'{size} GiB are requested')
    if MOST in specs and size > int(specs[MOST]):
        return (f"a volume of type '{name}' may have at most {specs[MOST]} GiB ({MOST}), but "
                f'{size} GiB are requested')
    return None
