# SPDX-License-Identifier: Apache-2.0
"""Middleware of the API: faults, authentication, limits of body sizes and request rates."""
