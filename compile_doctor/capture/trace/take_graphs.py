"""Records of graphs: what Dynamo captured, what AOTAutograd made of it, what Inductor generated, and what caches answered."""

from __future__ import annotations

from compile_doctor.capture.attention import read_graph
from compile_doctor.capture.reading import decode
from compile_doctor.capture.schema import GraphSeen
from compile_doctor.capture.trace.cached import read_answer
from compile_doctor.capture.trace.graph_text import find_collectives, read_graph_text
from compile_doctor.capture.trace.once import once
from compile_doctor.capture.trace.records import Ids
from compile_doctor.capture.trace.state import Reading
from compile_doctor.capture.trace.stream import Record, without_tabs
from compile_doctor.model.kernels import MARKERS, Kernel, find_kernels


@once
def _kernels(raw: bytes) -> tuple[Kernel, ...]:
    if not any(marker in raw for marker in MARKERS):
        return ()
    return find_kernels(without_tabs(raw).decode(errors="replace"))


def dynamo_output_graph(state: Reading, record: Record, header: Ids) -> None:
    # After a restart, Dynamo passes the graph to the backend again, so a frame has at most one.
    traced = read_graph_text(record.raw)
    state.change(state.key(record, header), graphs=1, traced=traced, graph_text=state.kept(record))


def dynamo_cpp_guards_str(state: Reading, record: Record, header: Ids) -> None:
    state.change(state.key(record, header), guards_text=state.kept(record))


def aot_graph(state: Reading, record: Record, header: Ids) -> None:
    index = state.index(record, header)
    if index >= 0:  # the forward pass, and later the backward pass
        before = state.so_far(index, "collectives")
        state.change(state.key(record, header), collectives=(*before, *find_collectives(record.raw)))


def cache(state: Reading, record: Record, header: Ids) -> None:
    index = state.index(record, header)
    if index >= 0:
        answer = record.kind.removeprefix("artifact:")
        key = state.key(record, header)
        state.change(key, cache=(*state.so_far(index, "cache"), answer))
        if state.trace.detailed:
            read = read_answer(record.kind, record.payload)
            state.change(key, answers=(*state.so_far(index, "answers"), read))


def inductor_output_code(state: Reading, record: Record, header: Ids) -> None:
    found = _kernels(record.raw)
    index = state.index(record, header)
    if index >= 0:  # a graph has one for the forward and one for the backward pass
        before = state.so_far(index, "kernels")
        text = state.kept(record)
        texts = (*state.so_far(index, "code_texts"), *([text] if text else ()))
        state.change(state.key(record, header), kernels=(*before, *found), code_texts=texts)


def compile_doctor_graph(state: Reading, record: Record, header: Ids) -> None:
    state.change(state.key(record, header), graph=read_graph(decode(record.payload, GraphSeen)))
