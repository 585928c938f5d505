# SPDX-License-Identifier: MIT
"""The parts of the bench: a module each, with add_options(parser), and run(build, given) that returns the figures."""

from . import conntrack, nat, probe, sockets

PARTS = {"sockets": sockets, "conntrack": conntrack, "nat": nat, "probe": probe}
