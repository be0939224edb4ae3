# SPDX-License-Identifier: Apache-2.0
"""Fetches a part from the archive that this machine's own apt configuration names, checks its
hash and unpacks it.

apt's own helper does the transfer, so proxies and mirrors are those of the machine; no index is
read, since path and hash are pinned. Unpacking is done here: a bare machine has no dpkg-dev.
"""

import hashlib
import io
import lzma
import shutil
import subprocess
import tarfile
from pathlib import Path

from .parts import HOME, Part

HELPER = "/usr/lib/apt/apt-helper"
ARCHIVE = "http://deb.debian.org/debian/"


class FetchError(Exception):
    """A part could not be had; the text says which, why and what to do."""


def mirrors() -> list[str]:
    """The archives of this machine's sources, both formats of them, then Debian's own."""
    command = ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)", "Created-By: Packages"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    except OSError:
        listed = []
    return list(dict.fromkeys([uri for uri in listed if uri.rstrip("/").endswith("/debian")] + [ARCHIVE]))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(part: Part) -> Path:
    """The part's archive in build/third_party/archives, hash checked."""
    target = HOME / "archives" / part.file
    if target.exists() and sha256(target) == part.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    reasons = []
    for mirror in mirrors():
        uri = f"{mirror}pool/main/{part.pool}"
        try:
            done = subprocess.run(
                [HELPER, "download-file", uri, str(target), f"SHA256:{part.sha256}"],
                capture_output=True, text=True, check=False,
            )
        except OSError as error:
            raise FetchError(f"{part.name} {part.version}: cannot run {HELPER}: {error.strerror}") from error
        if done.returncode == 0 and target.exists() and sha256(target) == part.sha256:
            return target
        reasons.append(f"  {uri}\n    {reason(done.stdout + done.stderr)}")
        target.unlink(missing_ok=True)
        Path(f"{target}.FAILED").unlink(missing_ok=True)
    raise FetchError(
        f"{part.name} {part.version} could not be fetched:\n" + "\n".join(reasons) + "\n"
        f"  Put the file with SHA-256 {part.sha256}\n  at {target} by hand, or try again with a network."
    )


def reason(output: str) -> str:
    """apt's complaint in one line."""
    if "Hash Sum mismatch" in output:
        return "the file there has another SHA-256 than the pinned one"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E: ") and "Download Failed" not in line]
    return (errors or lines or ["no answer"])[0].removeprefix("E: ")


def members_of_package(archive: Path) -> bytes:
    """data.tar of a .deb, decompressed. A .deb is an `ar` archive: 60-byte headers, even offsets."""
    data = archive.read_bytes()
    if data[:8] != b"!<arch>\n":
        raise FetchError(f"{archive.name} is not a Debian package")
    at = 8
    while at + 60 <= len(data):
        name, size = data[at : at + 16].rstrip().rstrip(b"/"), int(data[at + 48 : at + 58])
        if name == b"data.tar.xz":
            return lzma.decompress(data[at + 60 : at + 60 + size])
        at += 60 + size + (size & 1)
    raise FetchError(f"{archive.name} has no data.tar.xz")


def unpack(part: Part, archive: Path) -> None:
    """Into part.folder, whole or not at all. The archive's one top folder is left out."""
    staging = part.folder.with_name(part.folder.name + ".part")
    shutil.rmtree(staging, ignore_errors=True)
    package = archive.suffix == ".deb"
    with (
        tarfile.open(fileobj=io.BytesIO(members_of_package(archive))) if package else tarfile.open(archive)
    ) as tar:
        wanted = []
        for member in tar.getmembers():
            path = member.name.removeprefix("./")
            path = path if package else path.partition("/")[2]
            if path and (not part.keep or path.startswith(part.keep)):
                member.name = path
                wanted.append(member)
        # The filter is newer than Debian 12's Python; what the pinned hash names needs none.
        tar.extractall(staging, members=wanted, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    shutil.rmtree(part.folder, ignore_errors=True)
    (staging / ".stamp").write_text(part.sha256)
    staging.rename(part.folder)


def present(part: Part) -> bool:
    try:
        return (part.folder / ".stamp").read_text() == part.sha256
    except OSError:
        return False


def fetch(part: Part) -> None:
    if not present(part):
        unpack(part, download(part))
