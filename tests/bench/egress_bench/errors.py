# SPDX-License-Identifier: MIT
"""What the bench raises."""


class BenchError(Exception):
    """Something could not be measured, or a reader saw what is not there; the message is one clear line."""
