# SPDX-License-Identifier: Apache-2.0
"""Use cases: each one checks state and quota, makes one transition, and sends one message."""
