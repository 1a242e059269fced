"""Questions about attention after the compiled runs: its memory, and SDPA's choice of a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from compile_doctor.capture import schema
from compile_doctor.probe import compat, devices
from compile_doctor.probe.load import loaded_files
from compile_doctor.probe.observe.attention import Observer
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.observe.installed import installed

Calls = Sequence[Callable[[], Any]]
_MOST_CALLS = 8
_WORDS = (b"scaled_dot_product_attention", b"create_block_mask", b"flex_attention", b"varlen_attn")


def measure_attention(log: EventLog, observer: Observer, model: Any, calls: Calls, ran: bool) -> None:
    """Calls the target once more under the profiler if it has attention, and asks torch which backend SDPA's inputs get.

    `calls`: one for each distinct set of inputs. The later ones are made only for graphs that the first did not run at
    the sizes at which they were compiled.
    """
    log.write(schema.AttentionWatched())
    log.write(schema.MemoryLeft(bytes=devices.in_use().free()))
    if ran and (observer.seen or _mentions_attention(model)):
        _measure(log, observer, calls[:_MOST_CALLS])
    for described in observer.sdpa.values():
        _choose(log, described)
    layers = _float8_layers(model)
    if layers:
        log.write(schema.Float8Layers(names=layers))


def _float8_layers(model: Any) -> list[str]:
    """The names of modules with a float8 weight, raw or as a subclass: they are fine if their output is a plain tensor."""
    if not isinstance(model, torch.nn.Module):
        return []
    found = []
    for name, module in model.named_modules():
        held = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        kinds = [type(module).__name__, *(f"{tensor.dtype} {type(tensor).__name__}" for tensor in held)]
        if any("float8" in kind.lower() for kind in kinds) and (held or not list(module.children())):
            found.append(name.removeprefix("_orig_mod.") or type(module).__name__)
    return found[:1000]


def _measure(log: EventLog, observer: Observer, calls: Calls) -> None:
    from compile_doctor.probe.memory.profile import MemoryPass
    from compile_doctor.probe.observe.logs import muted

    measuring = MemoryPass(log, observer, devices.in_use())
    observer.window = measuring.window
    call, *others = calls
    try:
        with compat.trace_muted(), muted(), compat.without_cuda_graphs() as graphs:
            if compat.has_cuda_graphs():
                call()  # outside of a CUDA graph's pool, cuBLAS takes a workspace first: 34 MB on an H100
            # If no graph has attention, only the target's files mention it: most targets do not call it here.
            found = measuring.run(call) if observer.seen or measuring.any_called(call) else []
            for other in others:
                if measuring.misses(observer.ran):
                    measuring.run_again(other)
        for described in found:
            observer.sdpa.setdefault(repr(described), described)
        log.write(schema.MemoryPass(done=True, cuda_graphs_off=bool(graphs)))
    except Exception as error:  # the verdict then gives this as the reason why memory was not measured
        log.write(schema.MemoryPass(done=False, reason=f"{type(error).__name__}: {str(error)[:300]}"))
    finally:
        observer.window = None


def _choose(log: EventLog, described: dict[str, Any]) -> None:
    from compile_doctor.probe.memory.sdpa import choose

    inputs, options = described["inputs"], described.get("options") or {}
    try:
        log.write(schema.SdpaChoice(inputs=inputs, options=options, **choose(described)))
    except Exception as error:  # a subclass, a nested tensor, an operator that this torch does not have
        log.write(
            schema.SdpaChoice(inputs=inputs, options=options, choice=None, error=f"{type(error).__name__}: {error}")
        )


def _mentions_attention(model: Any) -> bool:
    """Whether the model, or a loaded file of the user or of a package other than torch, can call attention outside graphs."""
    if isinstance(model, torch.nn.Module) and any(isinstance(m, torch.nn.MultiheadAttention) for m in model.modules()):
        return True
    return any(_file_mentions_attention(file) for file in loaded_files())


def _file_mentions_attention(file: str) -> bool:
    if _known(file):
        return False
    try:
        text = Path(file).read_bytes()
    except OSError:
        return False
    return any(word in text for word in _WORDS)


def _known(file: str) -> bool:
    name = file.replace("\\", "/")
    own = "/compile_doctor/" in name and "/compile_doctor/examples/" not in name
    return "/torch/" in name or own or (installed(name) and "-packages/" not in name)
