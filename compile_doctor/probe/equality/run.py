"""One child of `fix`: runs a target on all cases, eagerly and compiled, and compares with the runs of the unchanged target.

Settings beside those of `diagnose`: `reference` (the file with the runs of the unchanged target; written if `record`),
`cases` (how many other inputs), `files` (the target's own), `seconds` (for the eager runs of the unchanged target, and
for the compiled ones: a large model is compared on fewer inputs, and the report says on how many), `ignored` (names of
state that differs from run to run of the unchanged target), `made` (attributes that may be
made early), `result` (what it writes).
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from compile_doctor.probe import compat
from compile_doctor.probe.calls import backward, seed
from compile_doctor.probe.equality import inputs as other
from compile_doctor.probe.equality.compare import differences, differing_names, excused
from compile_doctor.probe.equality.seen import (
    Seen,
    Steps,
    at_most,
    drawn,
    gradients_of,
    listening,
    state_of,
    values_of,
    watching,
)
from compile_doctor.probe.load import Inputs
from compile_doctor.probe.numerics.state import Start
from compile_doctor.probe.numerics.trees import held
from compile_doctor.probe.prepared import Prepared

LIMIT = 20.0
"""The most seconds of a case, and the most as a multiple of the first: a loop until convergence never ends for infinity."""
GRADIENTS = 2 << 30
"""Bytes of all gradients that are kept, those of the first case in any case: each has those of the whole model."""


class Equality(Prepared):
    """Compares what a changed target does with what the unchanged one did."""

    limit = 0.0
    """Seconds for one case. The first one of the unchanged target has none, in eager mode and compiled."""

    def run(self) -> None:
        program = self.program(self.module())
        if program is None:
            return
        build = (lambda: self.build(program)) if program.rebuildable else None
        self.start = Start(build, lambda: self.inputs(program), self.build(program), self.inputs(program))
        model = self.start.model()
        own = compat.is_compiled(model) or compat.compiled_parts(model)  # its copy would run the original's code
        self.original = model if isinstance(model, torch.nn.Module) and not own else None
        if self.original is not None:
            # It is only copied from, never run: its tensors are those of the start, and need no memory of their own.
            shared = {name: tensor.detach() for name, tensor in held(self.original) if tensor.device.type == "cpu"}
            self.start.tensors |= shared
        self.files = set(self.settings["files"])
        lines: dict[str, Steps] = {}
        reference = Path(self.settings["reference"])
        loaded = {} if self.settings["record"] else torch.load(reference, weights_only=True, mmap=True)
        with compat.force_eager():
            gradients = not loaded and self._has_gradients()
            with watching(self.files, lines):
                eager = self._all_eager(gradients, [one["backward"] for one in loaded["cases"]] if loaded else None)
        found: dict[str, Any] = {
            "lines": {file: [(*step, count) for step, count in sorted(ran.items())] for file, ran in lines.items()},
            "cases": len(eager),
            "gradients": sum(one.backward for one in eager),
        }
        if not loaded:
            compiled = [] if eager[0].error else self._all_compiled(0.0, eager)
            kept = {"cases": eager, "compiled": compiled}
            plain = {name: [asdict(one) for one in seen] for name, seen in kept.items()}
            torch.save(plain, reference)
            found["error"] = f"{eager[0].error}: {eager[0].said:.200}" if eager[0].error else ""
        else:
            before, compiled = ([Seen(**one) for one in loaded[name]] for name in ("cases", "compiled"))
            found |= self._judged(before, eager, compiled)
        Path(self.settings["result"]).write_text(json.dumps(found), encoding="utf-8")

    def _cases(self) -> Any:
        return other.cases(self.start.inputs(), int(self.settings["cases"]))

    def _has_gradients(self) -> bool:
        """Whether the target can run backward; it is compared even without --grad, because a user may train later."""
        try:
            return bool(self._case("", self.start.inputs(), 1.0, gradients=True).gradients)
        except Exception:  # it never ran backward: no way to compare
            return False

    def _all_eager(self, gradients: bool, backward: list[bool] | None) -> list[Seen]:
        """The eager runs of as many cases as there is time for, at least of two; gradients as far as there is memory.

        `backward`: for each case of an earlier run, whether it was run backward. Then the same is done again.
        """
        found: list[Seen] = []
        until = time.monotonic() + float(self.settings["seconds"][0])
        room = GRADIENTS if gradients else 0
        for number, (name, inputs, factor) in enumerate(self._cases()):
            ended = len(found) > 1 and time.monotonic() > until if backward is None else number == len(backward)
            if ended:
                break
            found.append(self._case(name, inputs, factor, room > 0 if backward is None else backward[number]))
            room -= found[0].gradient_bytes
            self.limit = self.limit or max(LIMIT, LIMIT * found[0].seconds)
        return found

    def _model(self) -> Any:
        """The model, from the same start each time. A copy is quicker than another initialisation."""
        if self.original is None:
            return self.start.model()
        try:
            return copy.deepcopy(self.original)
        except Exception:  # a lock, a handle: it is built again
            self.original = None
            return self.start.model()

    def _case(self, name: str, inputs: list[Inputs], factor: float, gradients: bool, model: Any = None) -> Seen:
        """All calls of one case, from the same start. An exception of the target is part of what is seen."""
        seen = Seen(name, backward=gradients)
        model = other.scaled(self._model(), factor) if model is None else model
        seed()
        began = time.monotonic()
        with listening(seen.messages), at_most(self.limit) as raised:
            try:
                for number, (args, kwargs) in enumerate(inputs):
                    with torch.set_grad_enabled(gradients):
                        output = model(*args, **kwargs)
                    seen.results |= values_of(output, f"output of call {number + 1}")
                    if gradients:
                        backward(output)
            except Exception as caught:
                if not name:
                    raise
                error = raised[0] if raised else caught
                seen.error, seen.said = type(error).__name__, (str(error).strip() or "no message").splitlines()[0]
        seen.seconds = time.monotonic() - began
        seen.gradients = gradients_of(model, inputs) if gradients else {}
        seen.state, seen.drawn = state_of(model, inputs, self.files, self.start.tensors, factor), drawn()
        return seen

    def _judged(self, before: list[Seen], eager: list[Seen], were: list[Seen]) -> dict[str, Any]:
        """The differences of the eager runs; if there are none, those of the compiled runs too.

        `were`: the compiled runs of the unchanged target. What its own compilation rounds away is no fault of a change.
        """
        differing: list[str] = []
        notes: list[str] = []
        excuses: list[str] = []
        differing_state: set[str] = set()
        for seen in (*before, *eager, *were):
            seen.state = {name: one for name, one in seen.state.items() if name not in self.settings["ignored"]}
        for old, new in zip(before, eager, strict=True):
            notes += self._without_made(old, new)
            gradients = old.backward and new.backward
            texts = differences(old, new, gradients)
            differing_state |= differing_names(old.state, new.state) if texts else set()
            if not texts and gradients and not old.error:
                excuses += filter(None, [excused(old, new)])
            if not texts and old.drawn != new.drawn:
                texts = ["draws other random numbers"]
            if not texts and old.messages != new.messages:
                texts = [_messages(old.messages, new.messages)]
            differing += [f"{text} ({old.name})" for text in texts]
            if old.error and new.error and old.error != new.error:
                notes.append(f"raises {new.error} instead of {old.error} (inputs: {old.name})")
        if excuses:
            notes.append(f"{excuses[0]} (on {len(excuses)} of {len(eager)} inputs)")
        found: dict[str, Any] = {"eager": differing, "compiled": [], "compiled_cases": 0, "notes": notes[:3]}
        found["state"] = sorted(differing_state)
        if differing:
            return found
        grad, unlike = bool(self.settings["grad"]), []
        now = self._all_compiled(were[0].seconds if were else 0.0, before)
        for seen in now:
            seen.state = {name: one for name, one in seen.state.items() if name not in self.settings["ignored"]}
        skipped = 0
        for number, (old, new) in enumerate(zip(before, now)):
            self._without_made(old, new)
            own = were[number] if number < len(were) else None
            if own and own.error and new.error:
                skipped += 1  # the unchanged target cannot be compiled for these inputs either
                continue
            own = None if own and own.error else own
            texts = differences(old, new, grad and bool(old.gradients), own)
            found["compiled"] += [f"{text} ({new.name}, compiled)" for text in texts]
            if not texts and old.messages != new.messages:
                unlike.append(_messages(old.messages, new.messages))
        if unlike:
            found["notes"].append(f"when compiled, it {unlike[0]} (on {len(unlike)} of {len(now)} inputs)")
        return {**found, "compiled_cases": len(now) - skipped}

    def _without_made(self, old: Seen, new: Seen) -> list[str]:
        """Leaves out state that the old files make only if they need it (`made`, names of attributes); says so."""
        early = [one for one in new.state if one not in old.state and one.rpartition(".")[2] in self.settings["made"]]
        for name in early:
            del new.state[name]
        return [f"makes {name} also if it is not needed (inputs: {old.name})" for name in early]

    def _all_compiled(self, usual: float, eager: list[Seen]) -> list[Seen]:
        """The compiled runs of the cases of `eager`, as many as there is time for; each is compiled anew.

        `usual`: how long the first one of the unchanged target took; 0 if that is not known.
        """
        found: list[Seen] = []
        self.limit = max(LIMIT, LIMIT * usual) if usual else 0.0
        until = time.monotonic() + float(self.settings["seconds"][1])
        for (name, inputs, factor), old in zip(self._cases(), eager):
            if found and time.monotonic() > until:
                break
            compat.forget_compilations()
            with compat.same_random():
                model = other.scaled(self._model(), factor)
                model = model if self.runs_as_it_is(model) else torch.compile(model, **self.options())
                backward = bool(self.settings["grad"]) and old.backward
                found.append(self._case(name, inputs, factor, backward, model))
                self.limit = self.limit or max(LIMIT, LIMIT * found[0].seconds)
        return found


def _messages(old: list[str], new: list[str]) -> str:
    """What became of the messages, in a few words."""
    gone = [line for line in old if line not in new]
    more = [line for line in new if line not in old]
    if gone:
        others = f" and {len(gone) - 1} more message{'s' * (len(gone) > 2)}" if gone[1:] else ""
        return f"does not show `{gone[0]:.60}`{others}"
    if more:
        return f"shows `{more[0]:.60}`, which it did not"
    return "shows its messages in another order or number"
