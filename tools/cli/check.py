# SPDX-License-Identifier: Apache-2.0
"""`./rumpk check`: the project's habits, each as a program that finds violations."""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.check import registry  # noqa: E402  (found through the path above)
from tools.check.base import Check, Finding, ToolMissing, Tree  # noqa: E402

MOST_SHOWN = 50  # findings of one check


def register(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "check",
        help="look at the sources and the build: format, layers, symbols, lengths, links",
        description="Runs the project's own checks. Those of the built kernel need `./rumpk build` before.",
    )
    parser.add_argument("--only", metavar="NAME", action="append", help="run this check alone (may be repeated)")
    parser.add_argument("--deep", action="store_true", help="clang-tidy follows as many paths as it can, which takes longer")
    parser.add_argument("--list", action="store_true", help="say which checks there are, and stop")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """0: all is well; 1: something was found; 127: no such check."""
    known = registry.by_name()
    if args.list:
        for check in registry.CHECKS:
            print(f"{check.name:14} {check.summary}")
        return 0
    chosen = args.only or list(known)
    for name in chosen:
        if name not in known:
            print(f"rumpk: no check '{name}'; there are: {', '.join(known)}", file=sys.stderr)
            return 127
    failed = [name for name in chosen if not run_one(known[name], Tree(ROOT, deep=args.deep))]
    return 1 if failed else 0


def run_one(check: Check, tree: Tree) -> bool:
    """Runs one check and prints its line, and findings below it. True where there were none."""
    begun = time.monotonic()
    try:
        found = check.run(tree)
    except ToolMissing as error:
        found = [Finding(check.name, 0, f"cannot run {error}: ./rumpk setup installs what is needed")]
    seconds = time.monotonic() - begun
    slow = f" ({seconds:.1f} s)" if seconds >= 1 else ""
    if not found:
        print(f"ok     {check.name}{slow}", flush=True)
        return True
    print(f"FAILED {check.name}{slow}")
    for finding in found[:MOST_SHOWN]:
        print(f"    {finding}")
    if len(found) > MOST_SHOWN:
        print(f"    and {len(found) - MOST_SHOWN} more")
    print(f"    to do: {check.advice}", flush=True)
    return False
