"""Compares the compiled run with eager and a float64 run of the same model: outputs, gradients, and the state after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import torch

from compile_doctor.model.comparisons import Compared, Comparison
from compile_doctor.model.tolerances import coarsest, ratio, status
from compile_doctor.probe import compat
from compile_doctor.probe.load import Inputs
from compile_doctor.probe.numerics import difference as measure
from compile_doctor.probe.numerics.dtypes import Dtypes
from compile_doctor.probe.numerics.record import Run, backward, forget_gradients, keep
from compile_doctor.probe.numerics.state import Start, doubled, moved, quietened
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.observe.logs import muted

KEPT = 40
"""Rows that are written for one comparison."""
FORWARD = ("compiled-vs-eager", "forward")
SAME_NUMBERS = (
    "the model draws random numbers: both runs use the same seed and random functions, and there is no float64 run, "
    "because it would draw other numbers"
)
OTHER_NUMBERS = (
    "compiled code draws other random numbers than eager, or in another order: the results cannot be compared"
)
Calls = Callable[[Any, list[Inputs], str], bool]
Found = dict[tuple[str, str], list[dict[str, Any]]]
"""Rows by case and direction."""


def _as_it_is(value: Any) -> Any:
    return value


class Numerics:
    """Used by the session: keeps the results of each run, then makes the float64 run and writes what differs."""

    def __init__(self, log: EventLog, start: Start, backend: str | None, grad: bool) -> None:
        self.log = log
        self.start = start
        self.backend = "eager-backend" if backend == "eager" else backend or "inductor"
        """The name of the compiled run; plain `eager` is the run without torch.compile."""
        self.grad = grad
        self.dtype = start.dtype
        """The dtype of the tolerance."""
        self.runs: dict[str, Run] = {}
        self.random = False
        """Whether the last run drew random numbers."""
        self.left_out: set[str] = set()
        """Tensors that could not be compared."""

    def call(self, phase: str, number: int, model: Any, args: Any, kwargs: Any) -> Any:
        """One call of one run, with its backward pass if `grad` is set."""
        compat.begin_step()
        forget_gradients(model, args, kwargs)
        with torch.set_grad_enabled(self.grad):
            output = model(*args, **kwargs)
        if self.grad:
            backward(output)
        keep(self.runs.setdefault(phase, Run()), number, model, args, kwargs, output, self.grad)
        return output

    def compare(self, calls: Calls, compiled: Callable[[Any], Any]) -> None:
        """Compares the runs, and writes the results.

        `calls` runs a model on inputs, as the session does, and returns whether random numbers were drawn; `compiled` is
        torch.compile with the requested options.
        """
        notes = [*self.start.notes]
        found = self._found(calls, "compiled", "eager", self.random, notes)
        if self.random and self._fails(found):
            quiet = self._quietly(calls, compiled, notes)
            if quiet is None:
                self.write(*FORWARD, self.backend, [], state="N/A", reason=OTHER_NUMBERS, notes=notes)
                return
            found = quiet
        unread = self.runs["compiled"].unread
        if unread:
            notes.append(f"outputs of type {', '.join(sorted(unread))} were not compared")
        if self.left_out:
            few, count = ", ".join(sorted(self.left_out)[:3]), len(self.left_out)
            notes.append(
                f"{count} {'tensor was' if count == 1 else 'tensors were'} not compared ({few}): sparse, quantised, or "
                "with NaN in places that depend on rounding"
            )
        for (case, direction), rows in found.items():
            if rows or case == "compiled-vs-eager":
                reason = "" if rows else f"no {'gradient' if direction == 'backward' else 'tensor'} to compare"
                self.write(case, direction, self.backend, rows, reason=reason, notes=notes)
                notes = []

    def _found(self, calls: Calls, mine: str, eager: str, random: bool, notes: list[str]) -> Found:
        """The rows of two runs, with a float64 run if possible, and with a run of moved values if something fails."""
        exact, change = None, quietened if eager != "eager" else _as_it_is
        if random:
            notes.append(SAME_NUMBERS)
        else:
            exact, why = self._run(calls, "float64", lambda value: doubled(change(value)))
            notes += (
                [f"there is no float64 run ({why}): the tolerance is that of the dtype and the model's depth"]
                if why
                else []
            )
        self.left_out.clear()
        found = self._rows(mine, eager, exact, None)
        if self._fails(found):
            noisy = self._moved(calls, lambda value: moved(change(value)), notes)
            self.left_out.clear()
            found = self._rows(mine, eager, exact, noisy)
        return found

    def _moved(self, calls: Calls, change: Callable[[Any], Any], notes: list[str]) -> Run | None:
        """The run with all values moved by one step, which also shows the dtypes that the model computes in."""
        with Dtypes() as inside:
            noisy, why = self._run(calls, "moved", change)
        if why:  # an operator that fails under a mode
            self.runs.pop("moved", None)
            noisy, _ = self._run(calls, "moved", change)
        notes += self.narrow(inside.seen)
        return noisy

    def narrow(self, dtypes: Iterable[str]) -> list[str]:
        """Makes the tolerance that of the coarsest of these dtypes; returns a note if it was finer before."""
        coarse = coarsest((self.dtype, *dtypes))
        if coarse == self.dtype:
            return []
        self.dtype = coarse
        return [
            f"the model computes in {coarse} internally, so the tolerance is that of {coarse}: Inductor keeps such results in "
            "float32 within a kernel (torch._inductor.config.emulate_precision_casts = True rounds them as eager does)"
        ]

    def _fails(self, found: Found) -> bool:
        depth = self.start.depth
        return any(status(Compared(**row), depth) == "FAIL" for rows in found.values() for row in rows)

    def _quietly(self, calls: Calls, compiled: Callable[[Any], Any], notes: list[str]) -> Found | None:
        """Makes both runs again without dropout; None if the model still draws random numbers."""
        with compat.trace_muted(), muted(), compat.same_random():
            mine, why = self._run(calls, "compiled without dropout", quietened, compiled)
        eager, _ = self._run(calls, "eager without dropout", quietened)
        if mine is None or eager is None or self.random:
            notes += [f"the compiled run without dropout failed: {why}"] if why else []
            return None
        notes[:] = [note for note in notes if note != SAME_NUMBERS]
        notes.append("compared with dropout set to 0: with dropout, compiled code drew other random numbers than eager")
        return self._found(calls, "compiled without dropout", "eager without dropout", False, notes)

    def _run(
        self, calls: Calls, kind: str, change: Callable[[Any], Any], compiled: Callable[[Any], Any] | None = None
    ) -> tuple[Run | None, str]:
        """One more run, eager unless `compiled`, with model and inputs changed: (run, "") or (None, why there is none)."""
        default = torch.get_default_dtype()
        try:
            model, inputs = self.start.model(), self.start.inputs()
            model = change(model) if isinstance(model, torch.nn.Module) else model
            inputs = change(inputs)
            if kind == "float64":
                torch.set_default_dtype(torch.float64)
            with nullcontext() if compiled else compat.force_eager():
                self.random = calls(compiled(model) if compiled else model, inputs, kind)
        except Exception as error:  # dtypes that the model's code names, an operator without float64, memory
            first = (str(error).strip() or "no message").split("\n", 1)[0]
            return None, f"{type(error).__name__}: {first[:160]}"
        finally:
            torch.set_default_dtype(default)
        return self.runs.get(kind), ""

    def _rows(self, mine: str, other: str, exact: Run | None, noisy: Run | None) -> Found:
        compiled, eager = self.runs[mine], self.runs[other]
        found = {FORWARD: self.rows(compiled.outputs, eager.outputs, exact and exact.outputs, noisy and noisy.outputs)}
        if self.grad:
            largest = max(
                (float(g.abs().max()) for g in eager.gradients.values() if g is not None and g.numel()), default=0
            )
            found["compiled-vs-eager", "backward"] = [
                {**row, "name": f"gradient of {row['name']}"}
                for row in self.rows(
                    compiled.gradients,
                    eager.gradients,
                    exact and exact.gradients,
                    noisy and noisy.gradients,
                    largest / 100,
                )
            ]
        changed = set(self._changed(compiled)) | set(self._changed(eager))
        found["state-after", "forward"] = [
            row
            for row in self.rows(compiled.state, eager.state, exact and exact.state, noisy and noisy.state)
            if row["name"] in changed
        ]
        return found

    def _changed(self, run: Run) -> Iterator[str]:
        """The names of buffers, parameters and inputs that the run changed."""
        for name, tensor in run.state.items():
            known = self.start.tensors.get(name)
            if known is None or known.shape != tensor.shape or not torch.equal(known, tensor):
                yield name

    def rows(
        self, mine: dict[str, Any], eager: dict[str, Any], exact: Any = None, noisy: Any = None, scale: float = 0.0
    ) -> list[dict[str, Any]]:
        """One row per name; a name that only one of the two runs has gets a row with a note."""
        found = []
        for name in {**eager, **mine}:
            if name not in mine or name not in eager:
                only = "eager" if name in eager else "compiled"
                found.append({"name": name, "dtype": "float32", "error": None, "note": f"only in the {only} run"})
                continue
            if mine[name] is None and eager[name] is None:
                continue
            row = measure.compare(
                name,
                mine[name],
                eager[name],
                (exact or {}).get(name),
                (noisy or {}).get(name),
                self.dtype,
                scale,
            )
            found += [row] if row else []
            if row is None:
                self.left_out.add(name)
        return found

    def write(self, case: str, direction: str, implementation: str, rows: list[dict[str, Any]], **values: Any) -> None:
        """Writes one event, which `events.py` reads as `evidence.Comparison`."""
        depth = self.start.depth
        made = [Compared(**row) for row in rows]
        # Failures come first: an error that a step explains may be many times its tolerance.
        order = sorted(range(len(rows)), key=lambda at: (status(made[at], depth) != "FAIL", -ratio(made[at], depth)))
        event: dict[str, Any] = {
            "case": case,
            "direction": direction,
            "implementation": implementation,
            "dtype": self.start.dtype,
            "depth": depth,
            "compared": len(rows),
            "rows": [rows[at] for at in order[:KEPT]],
            "state": "",
            "reason": "",
            "positions": None,
            "explained": None,
            "notes": [],
            **values,
        }
        self.log.write(Comparison(**event))
