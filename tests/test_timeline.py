"""Where the compile time went: from torch's timed events to phases by graph, on one time axis."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers import MODEL, artifact, compilation, evidence, interned, metrics, nested, read, start, timed

from compile_doctor.analysis.timeline import timelines
from compile_doctor.capture import load_capture
from compile_doctor.capture.sameness import sameness
from compile_doctor.capture.trace.timing import MOST, Timer, phase_of
from compile_doctor.model.timeline import PHASES, Call, Timing

NAMES = interned(MODEL, 1)


def seconds(timing: Timing | None) -> dict[str, float]:
    assert timing is not None
    return {phase: spent / 1e6 for phase, spent in timing.phases}


def test_each_moment_counts_once_for_the_innermost_phase():
    (found,) = read(NAMES + nested()).compilations
    assert seconds(found.timing) == {"dynamo": 1.0, "aot_autograd": 2.0, "lowering": 3.0, "kernels": 4.0}
    assert found.timing is not None and found.timing.duration == 10_000_000
    assert [(one.name, one.depth) for one in found.timing.spans] == [
        ("dynamo", 0),
        ("entire_frame_compile", 1),
        ("bytecode_tracing", 2),
        ("backend_compile", 2),
        ("GraphLowering.run", 3),
        ("compile_file", 3),
    ]


def test_the_backward_pass_counts_to_the_compilation_of_its_forward_pass():
    later = timed("B", "entire_backward_compile", 50) + timed("E", "entire_backward_compile", 52)
    (found,) = read(NAMES + nested() + later).compilations
    assert seconds(found.timing)["aot_autograd"] == 4.0
    assert found.timing is not None and found.timing.duration == 12_000_000


def test_the_same_id_after_a_reset_is_another_compilation():
    first, second = read(NAMES + nested() + nested(at=20.0)).compilations
    assert first.timing is not None and second.timing is not None
    assert second.timing.start - first.timing.start == 20_000_000
    assert seconds(first.timing) == seconds(second.timing)


def test_another_thread_is_not_added_to_the_compilation_that_waits_for_it():
    beside = timed("B", "compile_file", 7, None) + timed("E", "compile_file", 9, None)
    trace = read(NAMES + nested() + beside)
    assert sum(seconds(trace.compilations[0].timing).values()) == 10.0
    assert [(one.name, one.duration) for one in trace.aside] == [("compile_file", 2_000_000)]


def test_a_process_that_ends_while_it_compiles():
    begun = timed("B", "dynamo", 0) + start() + timed("B", "backend_compile", 2) + timed("B", "compile_file", 5)
    timing = read(NAMES + begun).compilations[0].timing
    assert timing is not None
    assert [(one.name, one.duration, one.ended) for one in timing.spans] == [
        ("dynamo", 5_000_000, False),
        ("backend_compile", 3_000_000, False),
        ("compile_file", 0, False),
    ][: len(timing.spans)]


def test_an_event_that_an_exception_left_open_ends_with_the_one_around_it():
    timer = Timer()
    timer.begin("dynamo", 0)
    timer.begin("bytecode_tracing", 10_000)
    timer.end("dynamo", 50_000)
    timing = timer.timing()
    assert timing is not None and timing.duration == 50_000
    assert dict(timing.phases) == {"dynamo": 50_000}


def test_without_timed_events_nothing_is_known_and_nothing_is_zero():
    trace = read(NAMES + start() + metrics())
    assert trace.compilations[0].timing is None
    assert timelines(evidence(compilations=trace.compilations)) == ()


def test_a_timed_event_that_cannot_be_read_is_counted_and_takes_nothing_from_the_evidence():
    for value in ("null", "[]", '{"ts": "x"}', '{"ts": -1, "ph": "B"}', '{"ts": 1e300, "ph": "B"}', ""):
        trace = read(
            NAMES + timed("B", "dynamo", 0).split(b"\n\t")[0] + f"\n\t{value}\n".encode() + start() + metrics()
        )
        assert trace.untimed == 1 and not trace.lost and len(trace.compilations) == 1


def test_short_spans_are_left_out_and_their_time_is_not():
    timer = Timer()
    timer.begin("dynamo", 0)
    for number in range(3 * MOST):
        timer.begin("GraphLowering.run", number * 2000)
        timer.end("GraphLowering.run", number * 2000 + (1500 if number % 2 else 500))
    timer.end("dynamo", 6000 * MOST)
    timing = timer.timing()
    assert timing is not None and len(timing.spans) == MOST and timing.spans[0].name == "dynamo"
    assert timing.omitted == 3 * MOST + 1 - MOST
    assert dict(timing.phases)["lowering"] == 3 * MOST * 1000
    assert sum(dict(timing.phases).values()) == timing.duration


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("compile_attempt_0", "dynamo"),
        ("build_guards", "dynamo"),
        ("create_aot_dispatcher_function", "aot_autograd"),
        ("aot_trace_joint_graph", "aot_autograd"),
        ("min_cut_rematerialization_partition", "aot_autograd"),
        ("entire_backward_compile", "aot_autograd"),
        ("_recursive_joint_graph_passes", "lowering"),
        ("pass.post_grad_passes.stable_sort", "lowering"),
        ("fx_codegen_and_compile", "lowering"),
        ("compile_fx.<locals>.fw_compiler_base", "lowering"),
        ("GraphLowering.compile_to_fn", "lowering"),
        ("GraphLowering.codegen", "codegen"),
        ("Scheduler.codegen", "codegen"),
        ("PythonWrapperCodegen.generate", "codegen"),
        ("compile_file", "kernels"),
        ("async_compile.wait", "kernels"),
        ("PyCodeCache.load_by_key_path", "kernels"),
        ("mm_template_precompiling", "kernels"),
        ("mm_template_autotuning", "autotuning"),
        ("CachingAutotuner.benchmark_all_configs", "autotuning"),
        ("CachingAutotuner.coordinate_descent_tuning", "autotuning"),
        ("AOTAutogradCache.inductor_load", "caches"),
        ("inductor_codecache_torch_key", "caches"),
        ("TritonBundler.read_and_emit", "caches"),
        ("cudagraphify", "cuda_graphs"),
        ("something_new", "codegen"),
    ],
)
def test_the_phase_of_an_event(name, phase):
    assert phase_of(name, "codegen") == phase
    assert phase in PHASES


def test_what_a_cache_answered_and_what_its_key_was_made_of():
    payload = {
        "key": "fa6t",
        "components": ["[abc] gm: GraphModule()\n\n", "[def] inductor_config[max_autotune]: " + "x" * 500, "odd"],
        "cache_state": "bypass",
        "cache_bypass_reason": "Unsupported post grad custom pass",
        "time_saved_ns": 2_500_000_000,
    }
    (found,) = read(
        NAMES + start() + artifact("fx_graph_cache_bypass", json.dumps(payload, indent=0)) + metrics()
    ).compilations
    (answer,) = found.answers
    assert (answer.cache, answer.answer, answer.key, answer.saved) == ("fx_graph", "bypass", "fa6t", 2.5)
    assert answer.reason == "Unsupported post grad custom pass"
    assert [(one.name, one.hash, len(one.value)) for one in answer.parts] == [
        ("gm", "abc", len("GraphModule()\n\n")),
        ("inductor_config[max_autotune]", "def", 120),
    ]


@pytest.mark.parametrize("payload", ["", "{", '{"key": 3}', "[]", '{"components": "x"}'])
def test_an_answer_without_details_is_still_an_answer(payload):
    trace = read(NAMES + start() + artifact("aotautograd_cache_miss", payload) + metrics())
    assert [(one.cache, one.answer, one.parts) for one in trace.compilations[0].answers] == [
        ("aotautograd", "miss", ())
    ]
    assert not trace.lost


def test_a_timeline_counts_from_the_first_moment():
    trace = read(NAMES + nested(at=5.0) + nested(1, at=20.0))
    call = Call("compiled", 0, int(1.7e15 + 4e6), 27_000_000)
    (found,) = timelines(evidence(compilations=tuple(trace.compilations), calls=(call,)))
    assert [(one.compile_id, one.timing.start) for one in found.compilations] == [
        ("0/0", 1_000_000),
        ("1/0", 16_000_000),
    ]
    assert (found.calls[0].start, found.duration) == (0, 27_000_000)
    assert found.phases["kernels"] == 8_000_000
    assert found.compilations[0].frame.file == MODEL


def test_times_and_keys_do_not_make_ranks_different():
    timing = read(NAMES + nested()).compilations[0].timing
    assert timing is not None
    quick = evidence(compilations=(compilation(timing=timing),))
    slow = evidence(compilations=(compilation(timing=replace(timing, duration=1)),), calls=(Call("compiled", 0, 0, 1),))
    assert sameness(quick) == sameness(slow)


def test_times_are_read_of_one_rank_of_each_group(tmp_path):
    """The others are only compared: when they began is known from their metrics."""
    for rank in range(3):
        pid = 10 + rank
        content = b"".join(
            [
                interned(MODEL, 1, pid=pid),
                timed("B", "dynamo", rank, pid=pid),
                start(pid=pid),
                timed("E", "dynamo", rank + 10, pid=pid),
                metrics(pid=pid, start_time_us=1_700_000_000_000_000 + rank * 1_000_000),
            ]
        )
        (tmp_path / f"dedicated_log_torch_trace_rank_{rank}_x.log").write_bytes(content)
    found = load_capture(tmp_path)
    assert [one.group for one in found.ranks.all] == [0, 0, 0]
    (timeline,) = timelines(found)
    assert (timeline.rank, timeline.duration) == (0, 10_000_000)
    assert [(one.rank, one.starts) for one in timeline.others] == [(1, (1_000_000,)), (2, (2_000_000,))]
