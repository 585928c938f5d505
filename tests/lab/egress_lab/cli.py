# SPDX-License-Identifier: MIT
"""The command line of the lab."""

import argparse
import json
import os
import sys

from . import identity
from .errors import EXIT_UNAVAILABLE, EXIT_USAGE, LabError, UsageError
from .lab import Lab
from .proxies import SETTINGS, SQUID_SETTINGS

_EXITS = f"exit codes: 0 done, 1 failed, {EXIT_USAGE} bad usage, {EXIT_UNAVAILABLE} this machine cannot run a lab"


def main(arguments=None):
    given = _parser().parse_args(arguments)
    try:
        return given.act(given)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="lab", description=__doc__, epilog=_EXITS)
    verbs = parser.add_subparsers(dest="verb", required=True)
    _add_up(verbs)
    run = _add(verbs, "exec", _exec, "run a command inside a part")
    run.add_argument("part", choices=identity.PARTS)
    run.add_argument("command", nargs=argparse.REMAINDER)
    broken = _add(verbs, "break", _break, "break a part of the path")
    broken.add_argument("part")
    broken.add_argument("how")
    mended = _add(verbs, "mend", _mend, "undo the faults of one part, or all")
    mended.add_argument("part", nargs="?")
    _add(verbs, "status", lambda given: _print(Lab(given.id).status()), "parts, addresses, names, pids, faults")
    _add(verbs, "truth", lambda given: _print(Lab(given.id).truth()), "what the NAT itself holds and has dropped")
    _add(verbs, "down", _down, "remove the lab")
    return parser


def _add(verbs, name, act, text):
    verb = verbs.add_parser(name, help=text, description=text, epilog=_EXITS)
    verb.add_argument("--id", help="which lab; without it, the only one running")
    verb.set_defaults(act=act)
    return verb


def _add_up(verbs):
    made = _add(verbs, "up", _up, "make a lab; prints its id")
    made.add_argument("--ports", type=int, default=64, help="NAT ports of the VM toward one destination (64)")
    made.add_argument("--time-wait", type=int, default=12, help="seconds a closed connection holds its port (12)")
    made.add_argument("--transitory", type=int, default=30, help="seconds a half-open one does (30)")
    made.add_argument("--established", type=int, default=1200, help="seconds an idle one does (1200)")
    made.add_argument("--squid", choices=SQUID_SETTINGS, default="recommended", help="Squid's time limits")
    made.add_argument("--proxies", choices=SETTINGS, default="cascade",
                      help="cascade: Squid hands on to Squid; nested: the client opens a tunnel to vm's Squid through "
                           "podproxy's tinyproxy; nested-swapped: the programs exchanged")
    made.add_argument("--keep", action="store_true", help="stay until `down`, not only while the calling shell lives")


def _up(given):
    owner = None if given.keep else identity.calling_shell()
    lab = Lab.up(lab_id=given.id, ports=given.ports, time_wait=given.time_wait, transitory=given.transitory,
                 established=given.established, squid=given.squid, proxies=given.proxies, keep=given.keep,
                 owner=owner)
    print(lab.id)
    return 0


def _exec(given):
    if not given.command:
        raise UsageError("no command to run")
    argv = Lab(given.id).argv(given.part, given.command)
    os.execvp(argv[0], argv)


def _break(given):
    Lab(given.id).break_(given.part, given.how)
    return 0


def _mend(given):
    Lab(given.id).mend(given.part)
    return 0


def _down(given):
    Lab(given.id).down()
    return 0


def _print(answer):
    try:
        print(json.dumps(answer, indent=2), flush=True)
    except BrokenPipeError:
        # The reader has seen enough (`| head`): keep the interpreter's own flush from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
