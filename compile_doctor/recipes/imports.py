"""Calls hooks when a module has been imported: this is how recipes and the probe wait for torch without importing it.

Existing packages do less: wrapt's hooks cannot be removed, an exception in a hook makes the user's import fail, and
importing wrapt takes longer than everything here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Hook = Callable[[str], None]


class ImportWatcher:
    """Lets the other finders find a module, and wraps its loader to call hooks after its execution, reloads included.

    If a hook raises, `failed(name, error)` is called, and the user's import goes on.
    """

    def __init__(self, failed: Callable[[str, Exception], None]) -> None:
        self.failed = failed
        self._after: dict[str, list[Hook]] = {}
        self._prefixes: tuple[str, ...] = ()
        self._before: Callable[[], None] | None = None
        self._busy = threading.local()

    def install(self) -> None:
        """Becomes the first finder in `sys.meta_path`."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def remove(self) -> None:
        """Leaves `sys.meta_path`. Imported modules are not changed."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)  # type: ignore[arg-type]

    def before_first(self, prefixes: Sequence[str], hook: Callable[[], None]) -> None:
        """Calls the hook once, before the first import of a module whose name begins with one of `prefixes`."""
        self._prefixes, self._before = tuple(prefixes), hook

    def after(self, name: str, hook: Hook) -> None:
        """Calls the hook with the module's name each time it is executed; at once if it is imported already."""
        self._after.setdefault(name, []).append(hook)
        module = sys.modules.get(name)
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            self.call(hook, name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self._before is not None and fullname.startswith(self._prefixes):
            hook, self._before = self._before, None
            self.call(lambda _: hook(), fullname)
        if fullname not in self._after or fullname in self._names():
            return None
        self._names().add(fullname)
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec = find(fullname, path, target) if find is not None and finder is not self else None
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = _NotifyingLoader(spec.loader, self._executed)  # type: ignore[assignment]
                    return spec  # type: ignore[no-any-return]
            return None
        finally:
            self._names().discard(fullname)

    def _names(self) -> set[str]:
        found: set[str] = self._busy.__dict__.setdefault("names", set())
        return found

    def _executed(self, name: str) -> None:
        for hook in list(self._after.get(name, ())):
            self.call(hook, name)

    def call(self, hook: Hook, name: str) -> None:
        """Calls a hook, and passes an exception to `failed`."""
        try:
            hook(name)
        except Exception as error:  # a hook must never break the user's import
            self.failed(name, error)


class _NotifyingLoader:
    """A loader that calls `executed` when it is done, and then replaces itself in the module by the original loader."""

    def __init__(self, loader: Any, executed: Hook) -> None:
        self._loader = loader
        self._executed = executed

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        # Not by assignment: torch's configuration modules refuse names that are not settings.
        vars(module)["__loader__"] = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._executed(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
