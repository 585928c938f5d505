# SPDX-License-Identifier: MIT
"""A throw-away path Pod -> proxy Pod -> GCE proxy VM -> Cloud NAT -> Internet in network namespaces."""

from .errors import LabError, Unavailable
from .lab import Lab

__all__ = ["Lab", "LabError", "Unavailable"]
