"""A copy of the files that may be changed, in folders in which all else is a link: data beside them is found as before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from compile_doctor.targets.target import Target


class Copies:
    """Makes one copy for each trial, so that no compiled Python file of an earlier one is used."""

    def __init__(self, target: Target, files: Iterable[str], search: Iterable[str], folder: Path) -> None:
        """`files`: those that may be changed, the target's among them. `search`: the folders of its sys.path."""
        self.target = target
        self.folder = folder
        entry = str(target.path) if target.path else ""
        own_root = [_root(target, entry)] if entry else []
        roots = sorted([*own_root, *(os.path.realpath(one) for one in search)], key=len, reverse=True)
        self.roots: dict[str, list[str]] = {}
        """The files, by the folder from which Python imports them."""
        self.originals: dict[str, str] = {}
        """The text of each file that may be changed."""
        self._possible = roots
        self._number = 0
        for file in dict.fromkeys([*([entry] if entry else []), *files]):
            self.add(file)

    def add(self, file: str) -> bool:
        """Includes a file; False if it is not imported from a folder of sys.path, or is not UTF-8."""
        if file in self.originals:
            return True
        root = next((one for one in self._possible if file.startswith(one.rstrip("/") + "/")), None)
        if root is None or not os.path.isfile(file):
            return False
        try:
            self.originals[file] = Path(file).read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            return False
        self.roots.setdefault(root, []).append(file)
        return True

    def make(self, texts: Mapping[str, str]) -> Copy:
        """A copy in which these files have other texts."""
        self._number += 1
        folder = self.folder / f"copy-{self._number:03}"
        places: dict[str, str] = {}
        roots = {}
        search = []
        for number, (root, files) in enumerate(self.roots.items()):
            # A copy of a package stays a package: its findings are not the user's, and its source is not checked.
            made = folder / str(number) / ("site-packages" if in_package(root) else "own")
            wanted = {file: texts.get(file, self.originals[file]) for file in files}
            _mirror(Path(root), made, wanted, whole=not in_package(root))
            search.append(str(made))
            roots[str(made)] = root
            places |= {str(made / Path(file).relative_to(root)): file for file in files}
        here = {original: copied for copied, original in places.items()}
        path = Path(here[str(self.target.path)]) if str(self.target.path) in here else self.target.path
        return Copy(folder, replace(self.target, path=path, search=tuple(search)), places, roots)


class Copy:
    """One copy on disk."""

    def __init__(self, folder: Path, target: Target, places: Mapping[str, str], roots: Mapping[str, str]) -> None:
        self.folder = folder
        self.target = target
        self.roots = roots
        self.places = places
        """The original of each copied file."""

    def original(self, file: str) -> str:
        """The path of the original; a path outside of the copy unchanged."""
        for made, root in self.roots.items():
            if file.startswith(made + "/"):
                return str(Path(root) / Path(file).relative_to(made))
        return file


def _root(target: Target, entry: str) -> str:
    """An example is a file of a package that the process has loaded already: its copy is a file by itself."""
    return str(Path(entry).parent) if target.text.startswith("example:") else package_root(entry)


def package_root(file: str) -> str:
    """The folder from which a file is imported: that of its outermost package."""
    folder = Path(file).parent
    while (folder / "__init__.py").exists() and folder.name.isidentifier():
        folder = folder.parent
    return str(folder)


def in_package(path: str) -> bool:
    """Whether a path belongs to installed packages, which are never changed in place."""
    return any(f"/{name}/" in path.rstrip("/") + "/" for name in ("site-packages", "dist-packages"))


def _mirror(root: Path, made: Path, texts: Mapping[str, str], whole: bool) -> None:
    """`root` again: the files with these texts, links to all else. Without `whole`, the top has only what is needed."""
    needed = {
        str(folder) for file in texts for folder in Path(file).parents if folder == root or root in folder.parents
    }
    pending = [root]
    while pending:
        folder = pending.pop()
        at = made / folder.relative_to(root)
        at.mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(folder):
            if entry.path in texts:
                (at / entry.name).write_bytes(texts[entry.path].encode("utf-8"))
            elif entry.path in needed:
                pending.append(Path(entry.path))
            elif entry.name != "__pycache__" and (whole or folder != root):
                os.symlink(entry.path, at / entry.name)
