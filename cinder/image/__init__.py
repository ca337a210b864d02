# SPDX-License-Identifier: Apache-2.0
"""Images: the service that keeps them, what they say of themselves, what is really in them."""
