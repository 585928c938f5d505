# SPDX-License-Identifier: MIT
"""Three acts that show the suite at work in the lab: all is well, a hop breaks, the NAT runs out of ports."""
