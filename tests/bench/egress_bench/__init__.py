# SPDX-License-Identifier: MIT
"""What one read of each plugin costs, beside the tools that read the same."""
