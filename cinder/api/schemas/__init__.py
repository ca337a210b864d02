# SPDX-License-Identifier: Apache-2.0
"""Request bodies by resource; base.py has the vocabulary."""
