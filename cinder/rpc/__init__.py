# SPDX-License-Identifier: Apache-2.0
"""RPC clients with the messages of each service, and the message bus itself (base.py)."""
