# SPDX-License-Identifier: Apache-2.0
"""Parts of the kernel that not every image has (core/parts.h), and the kernels that have them.

An image has what its cell.toml makes use of. CMake asks which those are: it is a program, too.
"""

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "tools.cli"

PARTS = ("cores", "budgets", "trace", "cells", "restart", "views", "shares", "managers")  # RUMPK_PARTS of cmake/RumpkOptions.cmake
ALL = ("cores", "budgets", "trace")  # RUMPK_ALL_PARTS: those in `kernel`
ALL_OF_A_CELL = (*ALL, "cells", "restart")  # those in the kernel that is always there to keep one cell apart
WHAT = {"cores": "fibers on more than one core", "budgets": "budgets of run time", "trace": "recording a trace",
        "cells": "cells at user privilege", "restart": "cells that begin anew", "views": "several cells",
        "shares": "data that several cells read", "managers": "cells that another manages"}


def of(cell, apart: bool) -> tuple[str, ...]:
    """Those that a manifest.Cell makes use of, on a machine that keeps cells apart or does not."""
    wanted = {"cores": cell.cores > 1, "budgets": bool(cell.budgets), "trace": cell.trace,
              "cells": cell.isolation == "cells" or (cell.isolation is None and apart),
              "restart": cell.supervisor.policy != "never"}
    return tuple(part for part in PARTS if wanted.get(part))


def of_several(cells, apart: bool = True) -> tuple[str, ...]:
    """Those that a cells.Cells makes use of, as above. A driver is always apart."""
    apart = apart or any(one.cell.devices for one in cells.placed)
    wanted = {"views", *(("cells",) if apart else ()), *(("shares",) if cells.shares else ()),
              *(("managers",) if any(one.manager for one in cells.placed) else ())}
    wanted = wanted.union(*(set(of(one.cell, apart)) - {"cells"} for one in cells.placed))
    return tuple(part for part in PARTS if part in wanted)


def of_file(file, apart: bool) -> tuple[str, ...]:
    """Those of a cell.toml or a rumpk.toml, as above."""
    from . import cells, manifest

    return of_several(cells.load(file), apart) if file.name == cells.FILE else of(manifest.load(file), apart)


def kernel(parts) -> str:
    """The target that links the kernel with these, and the stem of its file: rumpk_kernel_name."""
    named = "-".join(part for part in PARTS if part in parts)
    return "kernel" if set(parts) == set(ALL) else f"kernel-{named or 'plain'}"


def of_kernel(file: Path) -> tuple[str, ...]:
    """Those in a kernel's file, by its name."""
    return ALL if file.stem == "kernel" else tuple(part for part in PARTS if part in file.stem.split("-"))


def main() -> int:
    from . import manifest

    apart = "--apart" in sys.argv[1:2]
    for file in sys.argv[2 if apart else 1 :]:
        try:
            wanted = of_file(Path(file), apart)
        except manifest.ManifestError:
            wanted = ()  # the packer says what is wrong, when this image is built
        print("-".join(wanted) or "none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
