# SPDX-License-Identifier: Apache-2.0
"""The whole vocabulary of the message bus; base.py is the bus itself."""
