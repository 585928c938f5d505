# SPDX-License-Identifier: MIT
"""What the lab raises, and the exit codes that the command line gives for it."""

EXIT_FAILED = 1
EXIT_USAGE = 2
# What automake and systemd's test runners take for "cannot run here".
EXIT_UNAVAILABLE = 77


class LabError(Exception):
    """Something in the lab went wrong; the message is one clear line (a log's tail may follow)."""

    exit_code = EXIT_FAILED


class UsageError(LabError):
    """The caller asked for something that does not exist; the message says what does."""

    exit_code = EXIT_USAGE


class Unavailable(LabError):
    """This machine cannot run a lab: no root, no namespaces, or a program is missing."""

    exit_code = EXIT_UNAVAILABLE
