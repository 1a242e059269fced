"""One cell: runs an implementation on a problem, compares it with the reference, and reports what differs."""

from __future__ import annotations

import re
import subprocess
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from compile_doctor.probe.parity.cases import Problem
from compile_doctor.probe.parity.implementations import Call, Implementation, Unsupported
from compile_doctor.probe.parity.known_defects import defect_of_error
from compile_doctor.probe.parity.mask_mistakes import LARGE, LOST, familiar
from compile_doctor.probe.parity.reference import Reference, plain, reference
from compile_doctor.probe.parity.seen import Watcher
from compile_doctor.probe.parity.tolerance import DRIFT_FACTOR, tolerance

LEAK = 0.0
"""The largest weight that is allowed on a masked key."""


@dataclass(frozen=True)
class Verdict:
    """The result from which a Cell is made."""

    status: str
    max_error: float | None = None
    tolerance: float | None = None
    reason: str | None = None
    defect: str | None = None
    """The recipe whose signature the exception has."""


class Judge:
    """Compares all implementations on one problem; the references are computed once."""

    def __init__(self, problem: Problem, watcher: Watcher) -> None:
        self.problem = problem
        self.watcher = watcher

    @cached_property
    def reference(self) -> Reference:
        return reference(self.problem)

    @cached_property
    def plain(self) -> Reference:
        return plain(self.problem)

    def judge(self, implementation: Implementation, direction: str) -> Verdict:
        """The verdict on one implementation. Never raises for its exceptions; what it cannot compute is UNSUPPORTED."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                call = implementation.prepare(self.problem)
                results, unproven, changed = self._run(implementation, call, direction)
                if unproven:
                    return Verdict("UNSUPPORTED", reason=unproven)
                if changed:
                    return Verdict("FAIL", reason=f"it changes {changed} in place")
                verdict = self._compare(results)
                if verdict.status == "FAIL" or direction == "forward":
                    verdict = self._attended(call, verdict)
            return verdict
        except Unsupported as refusal:
            return Verdict("UNSUPPORTED", reason=short(str(refusal)))
        except Exception as error:  # whatever it raises is the answer
            refused = getattr(implementation, "refused", "UNSUPPORTED")
            reason = why(error, [str(one.message) for one in caught])
            compiled = "flex_attention" if implementation.proof == "kernel" else ""
            return Verdict(refused, reason=reason, defect=defect_of_error(error, compiled, self.problem.device))

    def _run(
        self, implementation: Implementation, call: Call, direction: str
    ) -> tuple[dict[str, torch.Tensor], str | None, str]:
        """(the computed tensors, why they do not prove that it ran or None, the names of the inputs that changed)."""
        problem = self.problem
        inputs = [one.detach().clone() for one in (problem.q, problem.k, problem.v)]
        backward = direction == "backward"
        with self.watcher.watch(implementation.proof == "kernel", implementation.proof == "operator") as seen:
            if not backward:
                with torch.no_grad():
                    results = {"output": call(*inputs)}
            else:
                for one in inputs:
                    one.requires_grad_()
                output = call(*inputs)
                gradients = torch.autograd.grad(output, inputs, problem.gradient, materialize_grads=True)
                results = {"output": output.detach(), **dict(zip("qkv", gradients))}
        given = (problem.q, problem.k, problem.v)
        changed = [name for name, one, was in zip("qkv", inputs, given) if not torch.equal(one.detach(), was)]
        return results, implementation.unproven(seen), " and ".join(changed)

    def _compare(self, results: dict[str, torch.Tensor]) -> Verdict:
        """The worst of the tensors, by error over tolerance; backward, the worst of the gradients if the output is right."""
        worst, share = Verdict("N/A", reason="nothing was computed"), -1.0
        for name, found in results.items():
            verdict = self._one(name, found)
            if verdict.status == "FAIL" and verdict.max_error is None:
                return verdict
            if name == "output" and verdict.status == "PASS" and len(results) > 1:
                continue  # the forward cell has its figures
            assert verdict.max_error is not None and verdict.tolerance is not None
            if verdict.max_error / verdict.tolerance > share:
                worst, share = verdict, verdict.max_error / verdict.tolerance
        return worst

    def _one(self, name: str, found: torch.Tensor) -> Verdict:
        wanted = self.reference.output if name == "output" else self.reference.gradients[name]
        what = "the output" if name == "output" else f"the gradient of {name}"
        if found.shape != wanted.shape:
            return Verdict("FAIL", reason=f"{what} has shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
        if found.dtype != self.problem.q.dtype:
            kind = str(found.dtype).removeprefix("torch.")
            return Verdict("FAIL", reason=f"{what} is {kind}, but the query is {str(self.problem.q.dtype)[6:]}")
        error = (found.detach().cpu().double() - wanted).abs()
        if name == "output":
            error = error.masked_fill(self.problem.empty[..., None], 0.0)
        allowed = tolerance(self.problem, name, self.reference.sizes[name])
        worst = float(error.nan_to_num(nan=float("inf")).max())
        if worst <= allowed:
            return Verdict("PASS", worst, allowed, self._convention(name, found))
        other = self.plain.output if name == "output" else self.plain.gradients[name]
        explained = DRIFT_FACTOR * float((other.double() - wanted).abs().max())
        if worst <= explained:
            return Verdict(
                "DRIFT", worst, allowed, f"{what}: within {explained:.1e}, which rounding in this dtype explains"
            )
        wrong = ~(error <= max(allowed, explained))
        first = [int(one) for one in torch.nonzero(wrong)[0]]
        rows = wrong.any(-1)
        reason = f"{what} differs by up to {worst:.1g} ({allowed:.0e} is allowed), first at {place(name, first)}"
        return Verdict("FAIL", worst, allowed, f"{reason}, in {int(rows.sum()):,} of {rows.numel():,} rows")

    def _convention(self, name: str, found: torch.Tensor) -> str | None:
        """What the rows of queries that attend to nothing have, if it is not the reference's zero; else None."""
        empty = self.problem.empty.expand(found.shape[0], found.shape[1], -1) if name == "output" else None
        if empty is None or not empty.any():
            return None
        rows = found.detach().cpu()[empty]
        if (rows == 0).all():
            return None
        kind = "NaN" if rows.isnan().any() else "not zero"
        return f"queries that attend to nothing give {kind}; they are not compared"

    def _attended(self, call: Call, verdict: Verdict) -> Verdict:
        """Finds the exact set of keys that each query attends to, with one-hot values: FAIL if it is wrong.

        The output is linear in v: with v one-hot over the head's dimensions, it is a slice of the softmax itself.
        """
        problem, wanted = self.problem, self.reference.weights
        found = torch.zeros_like(wanted)
        dim = problem.case.head_dim
        for start in range(0, problem.case.keys, dim):
            v = torch.zeros_like(problem.v)
            width = min(dim, problem.case.keys - start)
            v[:, :, start : start + width, :width] = torch.eye(width, dtype=v.dtype, device=v.device)
            with torch.no_grad():
                output = call(problem.q.clone(), problem.k.clone(), v)
            if output.shape != problem.q.shape:
                return verdict
            found[..., start : start + width] = output[..., :width].detach().cpu().double()
        rows = ~problem.empty[..., None]
        leaked = (wanted == 0) & (found.abs() > LEAK) & rows
        lost = (wanted > LOST) & (found == 0) & rows
        if problem.allowed is not None:
            leaked &= ~problem.allowed
        wrong = torch.nonzero(leaked | lost)
        if not len(wrong):
            if verdict.status == "FAIL":
                why = self._familiar(call, found) or "it attends to the right keys"
                return Verdict("FAIL", verdict.max_error, verdict.tolerance, f"{verdict.reason}; {why}")
            return verdict
        if random := self._familiar(call, found):
            return Verdict("FAIL", verdict.max_error, verdict.tolerance, random)
        b, h, query, key = (int(one) for one in wrong[0])
        does = "attends to" if leaked[b, h, query, key] else "does not attend to"
        reason = f"wrong keys: query {query} {does} key {key} (batch {b}, head {h})"
        return Verdict("FAIL", verdict.max_error, verdict.tolerance, reason)

    def _familiar(self, call: Call, found: torch.Tensor) -> str:
        """The familiar mistake that this is; empty if it is none."""
        inputs = (self.problem.q, self.problem.k, self.problem.v)
        with torch.no_grad():
            one, other = (call(*(x.clone() for x in inputs)).double() for _ in "ab")
        if float((one - other).abs().max()) > LARGE:
            return (
                "two calls with the same inputs differ: dropout, another source of randomness, or uninitialised memory"
            )
        return familiar(self.problem, self.reference.weights, found)


def place(name: str, index: list[int]) -> str:
    """An index as text: `batch 0, head 1, query 17`."""
    return f"batch {index[0]}, head {index[1]}, {'query' if name in ('output', 'q') else 'key'} {index[2]}"


def why(error: BaseException, said: list[str]) -> str:
    """Torch's reason in a few words: the first cause of a chain of exceptions, or the warnings before it."""
    link: Any = error
    for _ in range(20):
        inner = getattr(link, "inner_exception", None) or link.__cause__
        # The compiler's output is in the error that Inductor raises from its exit status.
        if not isinstance(inner, BaseException) or isinstance(inner, subprocess.CalledProcessError):
            break
        link = inner
    text = re.sub(r"^raised exception (\w+)\((['\"])(.*)\2\)$", r"\3", str(link), flags=re.DOTALL)
    reasons = [one for one in said if "because" not in one and _ABOUT.search(one)]
    if re.match(r"No (available|viable)", text) and reasons:
        text = "; ".join(dict.fromkeys(map(short, reasons)))
    return short(
        f"{type(link).__name__}: {text}" if isinstance(link, (TypeError, LookupError, AssertionError)) else text
    )


_ABOUT = re.compile(r"attention|kernel|backend|head|mask|dtype", re.IGNORECASE)
_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception|Unsupported)\b")


def short(text: str) -> str:
    """The informative sentence, at most 160 characters: a compiler's first error, or the line with an error's name."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason was given"]
    # Without the generated file's name, which is different each time.
    compiler = next((line.partition(" error: ")[2] for line in lines if " error: " in line), None)
    line = (compiler and f"C++ compiler: {compiler}") or next((line for line in lines if _ERROR.match(line)), lines[0])
    line = re.sub(r"(?<!\s)\s*\(Triggered internally at .*", "", line)
    first = re.match(r"(.{30,}?)\.\s", line)
    line = first[1] if first and not compiler else line
    return line if len(line) <= 160 else line[:159] + "…"
