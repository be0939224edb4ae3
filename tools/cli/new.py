# SPDX-License-Identifier: Apache-2.0
"""`./rumpk new DIR`: a small application to start from."""

import re
import shlex
from pathlib import Path

from . import common

SOURCE = """\
#include <cstdio>

int main(int argc, char** argv) {
    std::printf("Hello from @NAME@.\\n");
    for (int i = 1; i < argc; ++i) {
        std::printf("argument %d: %s\\n", i, argv[i]);
    }
    return 0;
}
"""

MANIFEST = """\
# What this application asks for. Each key may be left out; these are the defaults. What else there is:
# @ROOT@/docs/applications.md, "cell.toml"
name = "@NAME@"
memory = "8M"       # program and heap
map = "1M"          # what map() may hand out
tier = "gravity"    # photon, matter, gravity or void
ceiling = "photon"  # highest tier it may spawn a fiber in
fibers = 64         # at once, the first one included
stack = "64K"       # of the first fiber
fiber_rings = "8K"  # rings of each further fiber
# isolation = "fused" # with the kernel's privilege; left out: apart from it where the machine can
"""

README = """\
# @NAME@

An application for Rumpk. All *.c and *.cpp of this folder are built; `cell.toml` says what it asks for.

    @COMMAND@ run .                       # builds, boots on RISC-V under QEMU, passes input, output and exit code
    @COMMAND@ run . -- one two            # with arguments
    @COMMAND@ run . --machine host        # as a Linux process
    @COMMAND@ build .                     # the image, and the line that boots it by hand
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "new",
        help="write a small application to start from",
        description="Writes main.cpp, cell.toml and README.md into a folder, which is made if it is not there. "
        "Nothing that exists is overwritten.",
    )
    parser.add_argument("folder", metavar="DIR", help="where; its name becomes the application's")
    parser.set_defaults(main=main)


def main(args) -> int:
    folder = Path(args.folder).resolve()
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,31}", folder.name):
        common.fail(f"'{folder.name}' cannot name an application: 1 to 31 letters, digits, '.', '_' or '-'")
    texts = {"main.cpp": SOURCE, "cell.toml": MANIFEST, "README.md": README}
    there = [name for name in texts if (folder / name).exists()]
    if there:
        common.fail(f"{args.folder} already has {', '.join(there)}; nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            text = text.replace("@NAME@", folder.name).replace("@COMMAND@", shlex.quote(str(common.ROOT / "rumpk")))
            text = text.replace("@ROOT@", str(common.ROOT))
            (folder / name).write_text(text)
    except OSError as error:
        common.fail(f"{args.folder}: {error.strerror}")
    print(f"wrote {', '.join(texts)} in {args.folder}\nnow: {common.command()} run {shlex.quote(args.folder)}")
    return 0
