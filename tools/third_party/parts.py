# SPDX-License-Identifier: Apache-2.0
"""What is fetched: one entry a part, pinned by file name and SHA-256.

A part is an upstream archive (or a package) in the pool of Debian's archive. No Debian patch
is applied. To move a part to another version, change its entry: its folder and stamps carry
version and hash, so nothing stale is used.
"""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HOME = (ROOT / "build" / "third_party").resolve()  # clones may share it by a link


class Part(NamedTuple):
    name: str
    version: str
    pool: str  # path below <mirror>/pool/main
    sha256: str
    licence: str
    keep: tuple[str, ...] = ()  # only members under these paths are unpacked; empty: all

    @property
    def file(self) -> str:
        return self.pool.rsplit("/", 1)[1]

    @property
    def folder(self) -> Path:
        return HOME / f"{self.name}-{self.version}"


LIBFDT = Part(
    name="libfdt",
    version="1.7.2",
    pool="d/device-tree-compiler/device-tree-compiler_1.7.2.orig.tar.xz",
    sha256="92d8ca769805ae1f176204230438fe52808f4e1c7944053c9eec0e649b237539",
    licence="BSD-2-Clause",
    keep=("libfdt/", "BSD-2-Clause", "README.license"),
)
BEARSSL = Part(
    name="bearssl",
    version="0.6",
    pool="b/bearssl/bearssl_0.6+dfsg.1.orig.tar.xz",
    sha256="102a625bd8f6155260867a50c508df8d8c3f796985dd744df1a68e5cd1a79004",
    licence="MIT",
    keep=("src/", "inc/", "LICENSE.txt"),
)
PICOLIBC = Part(
    name="picolibc",
    version="1.8.10",
    pool="p/picolibc/picolibc_1.8.10.orig.tar.gz",
    sha256="d1fc2a20f217472f8d9da084a519a25678e8d91852a41c7f3f1840d3508f7163",
    licence="BSD-3-Clause and others, see COPYING.picolibc",
)
LIBGCC_RISCV64 = Part(
    name="libgcc-riscv64",
    version="12.2.0",
    pool="g/gcc-12-cross-ports/libgcc-12-dev-riscv64-cross_12.2.0-13cross1_all.deb",
    sha256="55d37f04d64ac844ef1f0018f7fc66f6622cd6aed5330468a55c70eafc249364",
    licence="GPL-3.0 with the GCC runtime library exception",
    keep=("usr/lib/gcc-cross/riscv64-linux-gnu/12/libgcc.a", "usr/share/doc/"),
)
LIBGCC_AARCH64 = Part(
    name="libgcc-aarch64",
    version="12.2.0",
    pool="g/gcc-12-cross/libgcc-12-dev-arm64-cross_12.2.0-14cross1_all.deb",
    sha256="ff1324e262bae2c3aad685c2ed52bd531ab0a2a337a0fe35c3b720947d55b2ba",
    licence="GPL-3.0 with the GCC runtime library exception",
    keep=("usr/lib/gcc-cross/aarch64-linux-gnu/12/libgcc.a", "usr/share/doc/"),
)
PARTS = (LIBFDT, BEARSSL, PICOLIBC, LIBGCC_RISCV64, LIBGCC_AARCH64)

# What `./rumpk bench rings` measures besides our own: headers alone, and only when that is run.
BOOST = Part(
    name="boost",
    version="1.74.0",
    pool="b/boost1.74/libboost1.74-dev_1.74.0+ds1-21_amd64.deb",
    sha256="ba14fe04d7f138f874bd3ab3a20c4fd1e9f654e271449b8f3e48d20f942dbb93",
    licence="BSL-1.0",
    keep=("usr/include/boost/",),
)
DPDK = Part(
    name="dpdk",
    version="22.11.11",
    pool="d/dpdk/libdpdk-dev_22.11.11-0+deb12u1_amd64.deb",
    sha256="071234b58e91d0f607ce0131d5ee58edee49bab3d6e5e4d207e37c787645684a",
    licence="BSD-3-Clause",
    keep=("usr/include/",),
)
READERWRITERQUEUE = Part(
    name="readerwriterqueue",
    version="1.0.6",
    pool="r/readerwriterqueue/libreaderwriterqueue-dev_1.0.6-1_all.deb",
    sha256="f219a074fc06382e41414ad261dc3fba7a3667b0c7a1c7709490b8ea3fbf55a8",
    licence="BSD-2-Clause",
    keep=("usr/include/",),
)
BENCH_PARTS = (BOOST, DPDK, READERWRITERQUEUE)

# What the long tests check litmus tests with. Debian 12 has no herd7: it is sid's, with sid's libraries beside it.
HERD7 = Part(
    name="herd7",
    version="7.58",
    pool="h/herdtools7/herdtools7_7.58-2_amd64.deb",
    sha256="97a6e2bfbc2c516cd9816e8c87c3acc412953479a3351b308d139e0af9550672",
    licence="CECILL-B",
    keep=("usr/bin/herd7", "usr/share/herdtools7/herd/"),
)
HERD7_LIBC = Part(
    name="herd7-libc",
    version="2.43",
    pool="g/glibc/libc6_2.43-7_amd64.deb",
    sha256="5c71715c51103beb4fbba9fe9f8dff604af6610dfa71c70bff342f54a7860803",
    licence="LGPL-2.1",
    keep=("usr/lib/x86_64-linux-gnu/",),
)
HERD7_GMP = Part(
    name="herd7-gmp",
    version="6.3.0",
    pool="g/gmp/libgmp10_6.3.0+dfsg-5+b2_amd64.deb",
    sha256="032743c787f0e1e644e4dcfbdb38f01be8cb150cb9633f8be5e79aba6938f349",
    licence="LGPL-3.0",
    keep=("usr/lib/x86_64-linux-gnu/",),
)
LITMUS_PARTS = (HERD7, HERD7_LIBC, HERD7_GMP)
