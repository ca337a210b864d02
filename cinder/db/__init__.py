# SPDX-License-Identifier: Apache-2.0
"""All SQL of the service: one module per resource, based on `models`, `session` and `query`.

Every function takes the request context first, and joins the transaction that is open in it.
"""
