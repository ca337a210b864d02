# SPDX-License-Identifier: Apache-2.0
"""Use cases: each owns one transition, checks state and quota, writes, and sends one message."""
