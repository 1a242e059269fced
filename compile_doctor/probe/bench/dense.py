"""Wraps the entry of flex_attention's dense path: counts its calls, and refuses those that would exceed free memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compile_doctor.model.sizes import human
from compile_doctor.probe import compat, devices
from compile_doctor.probe.observe.dense import DenseRefusedError, dense_bytes


class DenseGuard:
    """One per process. It costs almost nothing compared with a dense call, so it can stay while that is timed."""

    def __init__(self) -> None:
        self.calls = 0
        self._fits: set[tuple[int, ...]] = set()
        compat.replace_dense_entry(self._guarded)

    def _guarded(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        def dense(query: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            size = (*query.shape, *key.shape)
            if size not in self._fits:
                needed, left = dense_bytes(query, key), devices.of(query.device.type).free()
                if left is not None and needed > left:
                    raise DenseRefusedError(
                        f"it ran dense, and stores all scores: {human(needed)} needed, {human(left)} free"
                    )
                self._fits.add(size)
            return entry(query, key, *args, **kwargs)

        return dense
