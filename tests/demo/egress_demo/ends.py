# SPDX-License-Identifier: MIT
"""How the demo ends when it is cut off: in one line, with the exit status a shell would give."""

import os
import signal
import sys


def run(show, interrupted):
    """The exit status of show(); `interrupted` is what to say after Ctrl-C."""
    try:
        status = show()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"demo: {interrupted}", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader has seen enough (`| head`): keep the interpreter's own flush from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
