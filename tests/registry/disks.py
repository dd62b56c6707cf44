"""A disk of its own for the embedded server, whose power can be cut: what had reached it then is all that there is."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE_MB = 1024
NEEDED = "a disk of its own is a mounted file, which needs mkfs.ext4, root and the right to mount"


class Disk:
    """An ext4 in a file. What programs wrote is in the operating system's memory until it is brought to that file."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder

    def cut(self, number: int) -> "Disk":
        """The disk as it is after a power cut at this moment."""
        image = self.image.with_name(f"cut-{number}.img")
        subprocess.run(["cp", "--sparse=always", str(self.image), str(image)], check=True)
        return Disk(image, self.folder.with_name(f"cut-{number}"))

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        self.folder.mkdir(exist_ok=True)
        command = ["mount", "-o", "loop", str(self.image), str(self.folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip(NEEDED)
        try:
            yield self.folder
        finally:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def new_disk(folder: Path) -> Disk:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip(NEEDED)
    image = folder / "disk.img"
    subprocess.run(["truncate", f"--size={SIZE_MB}M", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    return Disk(image, folder / "disk")
