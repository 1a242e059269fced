"""Compares a target's `incremental(model, inputs, chunk)` with its `full(model, inputs)`, eager and compiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from compile_doctor.model.comparisons import Compared
from compile_doctor.model.tolerances import bound, status
from compile_doctor.probe import compat
from compile_doctor.probe.load import Decoding
from compile_doctor.probe.numerics.compare import Numerics
from compile_doctor.probe.numerics.dtypes import Dtypes
from compile_doctor.probe.numerics.shifts import Shifts, Site
from compile_doctor.probe.numerics.state import doubled, moved
from compile_doctor.probe.numerics.trees import at_rest, uncompiled
from compile_doctor.probe.observe.failures import describe
from compile_doctor.probe.observe.logs import muted

CHUNKS = (1, 4, 7)
"""The default chunks, besides half of the sequence. 7 does not divide the usual lengths."""
COMPILED = 2
"""How many of the default chunks also run compiled: each may need a new compilation."""
FURTHEST = 16
"""The largest shift of the output's rows that is tried."""
IN_EVAL = "the model was set to eval mode for decoding"
TRIALS = 12
"""The most lines whose calls are shifted, for each kind of shift."""

PATIENCE = 120.0
"""Seconds for trying causes; the difference itself must be reported in time."""


class Decode:
    """Every run begins with the model from the start, the same inputs and seed, in eval mode."""

    def __init__(
        self, hooks: Decoding, numerics: Numerics, seed: Callable[[], None], place: Callable[[Any], Any]
    ) -> None:
        """`seed` seeds every generator; `place` moves nested inputs to the device."""
        self.hooks = hooks
        self.numerics = numerics
        self.seed = seed
        self.place = place
        self.full: Any = None
        self.exact: Any = None
        self.noisy: Any = None
        self.notes: list[str] = []
        self.wrong: set[int] = set()
        """Chunks with which eager decoding is wrong."""

    def run(self, asked: Sequence[int], compiled: Callable[[Any], Any] | None) -> None:
        """`asked`: the chunks; empty for the default ones. `compiled`: torch.compile as requested; None if that fails."""
        with compat.force_eager():
            try:
                self.full = self._run(None)
            except Exception as error:  # without it there is nothing to compare with
                self._raised("full", "eager", error)
                return
            self.exact = self._changed(doubled)
            length = self.full.shape[axis(self.full)]
            chunks = tuple(asked) or tuple(sorted({c for c in (*CHUNKS, (length + 1) // 2) if c < length}))
            # The largest first: it has the fewest steps if causes are tried.
            for chunk in reversed(chunks):
                self._compare(chunk, "eager", None)
        if compiled is not None:
            with compat.trace_muted(), muted(), compat.same_random():
                for some in (None, *(chunks if asked else chunks[:COMPILED])):
                    self._compare(some, self.numerics.backend, compiled)

    def _run(
        self,
        chunk: int | None,
        change: Callable[[Any], Any] | None = None,
        wrap: Callable[[Any], Any] | None = None,
    ) -> Any:
        """The output of `full` (chunk None) or `incremental`, on the CPU."""
        model = self.numerics.start.model()
        self.seed()
        inputs = self.place(self.hooks.inputs())
        inner = uncompiled(model)
        if isinstance(inner, torch.nn.Module):
            if inner.training and IN_EVAL not in self.notes:
                self.notes.append(IN_EVAL)
            inner.eval()
        if change is not None:
            model, inputs = change(model) if isinstance(model, torch.nn.Module) else model, change(inputs)
        if wrap is not None:
            model = wrap(model)
        self.seed()
        with torch.no_grad():
            given = self.hooks.full(model, inputs) if chunk is None else self.hooks.incremental(model, inputs, chunk)
        if not isinstance(given, torch.Tensor):
            raise TypeError(
                f"{'full' if chunk is None else 'incremental'}() returned a {type(given).__name__}, not a tensor"
            )
        return at_rest(given)

    def _changed(self, change: Callable[[Any], Any]) -> Any:
        """The full run in float64, or with all values moved by one step; None if that fails."""
        default = torch.get_default_dtype()
        try:
            if change is doubled:
                torch.set_default_dtype(torch.float64)
            with compat.force_eager():
                return self._run(None, change)
        except Exception:  # the tolerance is then that of the dtype, and the row has no noise
            return None
        finally:
            torch.set_default_dtype(default)

    def _compare(self, chunk: int | None, implementation: str, compiled: Callable[[Any], Any] | None) -> None:
        case = "full" if chunk is None else f"chunk-{chunk}"
        if compiled and chunk in self.wrong:
            self._write(case, implementation, [], state="N/A", reason="decoding is wrong without torch.compile too")
            return
        calls = 0

        def wrap(model: Any) -> Any:
            def counted(function: Callable[..., Any]) -> Callable[..., Any]:
                def call(*args: Any, **kwargs: Any) -> Any:
                    nonlocal calls
                    calls += 1
                    return function(*args, **kwargs)

                return call

            made = compiled(model) if compiled else model
            if not isinstance(made, torch.nn.Module):
                return counted(made)
            made.forward = counted(made.forward)
            return made

        try:
            found = self._run(chunk, wrap=wrap if compiled else None)
        except Exception as error:
            self._raised(case, implementation, error)
            if compiled is None and chunk is not None:
                self.wrong.add(chunk)
            return
        if compiled and not calls:
            self._write(
                case,
                implementation,
                [],
                state="N/A",
                reason="the hook does not call the model itself: no compiled code ran",
            )
            return
        rows = self._rows(found)
        if self._status(rows) == "FAIL" and self.noisy is None:
            with Dtypes() as inside:
                self.noisy = self._changed(moved)
            self.notes += self.numerics.narrow(inside.seen)
            rows = self._rows(found)
        values: dict[str, Any] = {}
        if self._status(rows) == "FAIL" and rows[0]["error"] is not None and chunk is not None:
            values["positions"] = self._positions(found, chunk, rows[0])
            if compiled is None:
                at = values["positions"]["first"]
                values["explained"] = None if self.wrong else self._explained(chunk, at is not None and at < chunk)
                self.wrong.add(chunk)
        self._write(case, implementation, rows, **values)

    def _rows(self, found: Any) -> list[dict[str, Any]]:
        return self.numerics.rows(
            {"output": found}, {"output": self.full}, {"output": self.exact}, {"output": self.noisy}
        )

    def _status(self, rows: list[dict[str, Any]]) -> str:
        return status(Compared(**rows[0]), self.numerics.start.depth) if rows else "N/A"

    def _positions(self, found: torch.Tensor, chunk: int, row: dict[str, Any]) -> dict[str, Any]:
        """The positions that differ, and the shift if the rows are right but at other positions."""
        reference = self.exact if self.exact is not None and self.exact.shape == found.shape else self.full
        allowed = 0.5 if row.get("exact") else bound(Compared(**row), self.numerics.start.depth)
        mine, other = (_by_position(one, axis(found)) for one in (found, reference))
        wrong = _far(mine, other, allowed).nonzero().flatten().tolist()
        length = mine.shape[0]
        values = {"chunk": chunk, "length": length, "differing": len(wrong), "first": wrong[0] if wrong else None}
        for shift in sorted(range(-FURTHEST, FURTHEST + 1), key=abs):
            inside = [p for p in wrong if 0 <= p + shift < length]
            if shift and len(inside) > max(1, len(wrong) - abs(shift) - 1):
                at = torch.tensor(inside)
                if not bool(_far(mine[at], other[at + shift], allowed).any()):
                    return {**values, "shift": shift}
        return values

    def _explained(self, chunk: int, first: bool) -> dict[str, Any] | None:
        """The line whose calls, if changed as in `shifts`, give this chunk the output of the full run; None without one.

        `first`: whether the first chunk is already wrong.
        """
        _, seen = self._shifted(chunk, frozenset())
        tries = [(0, group) for group in _together(seen.from_zero())]
        tries += [(by, group) for group in _together(seen.that_move()) for by in (-1, 1)]
        until = time.monotonic() + PATIENCE
        for by, group in tries:
            if time.monotonic() > until:
                return None
            output, _ = self._shifted(chunk, frozenset(group), by, first)
            if output is not None and self._status(self._rows(output)) in ("PASS", "DRIFT"):
                kind, file, line, function = group[0]
                frame = [file, line, function, ""]
                return {"kind": kind, "frame": frame, "chunk": chunk, "sites": len(group), "by": by}
        return None

    def _shifted(self, chunk: int, sites: frozenset[Site], by: int = 0, first: bool = False) -> tuple[Any, Shifts]:
        done = 0

        def count(*_: Any) -> None:
            nonlocal done
            done += 1

        shifts = Shifts(lambda: done, sites, by, first)

        def wrap(model: Any) -> Any:
            if isinstance(model, torch.nn.Module):
                model.register_forward_hook(count)
                return model

            def call(*args: Any, **kwargs: Any) -> Any:
                output = model(*args, **kwargs)
                count()
                return output

            return call

        try:
            with compat.force_eager(), shifts:
                return self._run(chunk, wrap=wrap), shifts
        except Exception:  # the shifted call went out of range: it is not the cause
            return None, shifts

    def _raised(self, case: str, implementation: str, error: Exception) -> None:
        state = "UNSUPPORTED" if isinstance(error, NotImplementedError) else "FAIL"
        first = (str(error).strip() or "no message").split("\n", 1)[0]
        seen = describe(error)
        self._write(
            case,
            implementation,
            [],
            state=state,
            reason=f"{type(error).__name__}: {first[:200]}",
            chain=seen["chain"],
            text=seen["text"],
        )

    def _write(self, case: str, implementation: str, rows: list[dict[str, Any]], **values: Any) -> None:
        self.numerics.write(case, "forward", implementation, rows, notes=self.notes, **values)
        self.notes = [] if rows else self.notes


def _together(seen: Sequence[Site]) -> list[list[Site]]:
    """The groups of sites that are changed together: each one, all of a kind, and all."""
    sites = sorted(seen)[:TRIALS]
    groups = [[site] for site in sites]
    groups += [
        same for kind in sorted({site[0] for site in sites}) if len(same := [s for s in sites if s[0] == kind]) > 1
    ]
    return groups + ([sites] if len({site[0] for site in sites}) > 1 else [])


def axis(output: torch.Tensor) -> int:
    """The dimension of positions: the last but one; the last for token ids (batch, position) and for a single row."""
    if output.dim() < 2 or (output.dim() == 2 and not output.is_floating_point()):
        return max(output.dim() - 1, 0)
    return output.dim() - 2


def _by_position(tensor: torch.Tensor, at: int) -> torch.Tensor:
    """(positions, everything else), in float64."""
    wide = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return wide.movedim(at, 0).reshape(tensor.shape[at], -1).to(torch.float64)


def _far(mine: torch.Tensor, other: torch.Tensor, allowed: float) -> torch.Tensor:
    """bool (rows,): which rows differ. NaN differs from all numbers, and equals NaN."""
    near = ((mine - other).abs() <= allowed) | (mine == other) | (mine.isnan() & other.isnan())
    return ~near.all(1)
