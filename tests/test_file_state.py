"""What a target keeps at the top of its file is the same again for the eager run."""

from __future__ import annotations

from types import ModuleType

import torch

from compile_doctor.probe.file_state import FileState


def module() -> ModuleType:
    made = ModuleType("target")
    made.STEP, made.SEEN, made.CACHE = 0, {"n": 0, "rows": [1]}, []
    made.WEIGHT, made.READY = torch.ones(2), False
    made.model = torch.nn.Linear(2, 2)
    return made


def test_counters_caches_and_flags_begin_again() -> None:
    target = module()
    seen, cache, model, state = target.SEEN, target.CACHE, target.model, FileState(target)
    for _ in range(2):
        target.STEP, target.READY, target.late = 3, True, {"k": 1}
        target.SEEN["n"] += 1
        target.SEEN["rows"].append(2)
        target.CACHE.append(torch.ones(2))
        target.WEIGHT.add_(1)
        state.restore()
        assert (target.STEP, target.READY, target.SEEN, target.CACHE) == (0, False, {"n": 0, "rows": [1]}, [])
        assert target.WEIGHT.tolist() == [1.0, 1.0] and not hasattr(target, "late")
    assert target.SEEN is seen and target.CACHE is cache  # other modules may have them too
    assert target.model is model


def test_what_cannot_be_copied_stays() -> None:
    target = ModuleType("target")
    target.KEPT = [torch.nn.Linear(2, 2), object()]
    kept, state = list(target.KEPT), FileState(target)
    target.KEPT.clear()
    state.restore()
    assert kept == target.KEPT


def test_a_data_set_is_not_copied() -> None:
    target = ModuleType("target")
    target.ROWS, target.LARGE = [[torch.zeros(600_000)], [torch.zeros(600_000)]], torch.zeros(2_000_000)
    rows, state = target.ROWS[0][0], FileState(target)
    target.LARGE = small = torch.zeros(2)
    state.restore()
    assert target.ROWS[0][0] is rows and target.LARGE is small


def test_a_list_that_contains_itself_does_not_end_the_run() -> None:
    target = ModuleType("target")
    target.LOOP = []
    target.LOOP.append(target.LOOP)
    state = FileState(target)
    target.LOOP.append(1)
    state.restore()
    assert len(target.LOOP) == 2
