"""Writes what `fix` has kept: the changed files into a folder, or a patched copy of the packages that they belong to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from compile_doctor.errors import UsageError
from compile_doctor.mend.copies import in_package, package_root
from compile_doctor.mend.result import Mended

Files = Mapping[str, tuple[str, str]]


def check_folder(option: str, folder: Path) -> None:
    """Raises UsageError for a folder in which nothing may be written: before minutes are spent."""
    if in_package(str(folder.resolve())):
        raise UsageError(
            f"{option} {folder}: this is the folder of installed packages, which fix does not change.",
            "Give another folder. --vendor DIR makes a patched copy of a package.",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{option} {folder}: it is not a folder.")


def write_files(mended: Mended, folder: Path) -> list[str]:
    """Writes the changed files that are the user's own; returns their paths. `.` changes files of this folder in place.

    Raises UsageError, before anything is written, if a file there is neither the old nor the new one.
    """
    own = {file: texts for file, texts in mended.files.items() if not in_package(file)}
    return _written("--write", {_at(file, mended, folder): texts for file, texts in own.items()})


def write_packages(mended: Mended, folder: Path) -> list[str]:
    """Copies each package that has a changed file into the folder, with the changes; returns the paths of those files."""
    places = {}
    for file, texts in mended.files.items():
        if in_package(file):
            root = Path(package_root(file))
            top = Path(file).relative_to(root).parts[0]
            if (root / top).is_dir() and not (folder / top).exists():
                shutil.copytree(root / top, folder / top, ignore=shutil.ignore_patterns("__pycache__"))
            places[folder / Path(file).relative_to(root)] = texts
    return _written("--vendor", places)


def _at(file: str, mended: Mended, folder: Path) -> Path:
    """Where a file goes: as it lies below the working directory; a file from elsewhere as it is imported."""
    path, cwd = Path(file), Path(mended.cwd)
    if mended.target.startswith("example:"):
        return folder / path.name
    return folder / path.relative_to(cwd if cwd in path.parents else package_root(file))


def _written(option: str, places: Mapping[Path, tuple[str, str]]) -> list[str]:
    for path, (old, new) in places.items():
        if path.exists() and path.read_bytes().decode("utf-8", "replace") not in (old, new):
            raise UsageError(
                f"{option}: {path} is not the file that was diagnosed, so it is not overwritten.",
                "Give an empty folder, or run fix again if the file was edited in the meantime.",
            )
    for path, (_, new) in places.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(new.encode("utf-8"))
        except OSError as error:
            raise UsageError(f"{option}: {path}: {error.strerror}.") from error
    return [str(path) for path in places]
