# SPDX-License-Identifier: Apache-2.0
"""The life cycle of a back end: driver, start, health, exports, audit and statistics."""
