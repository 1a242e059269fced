"""Two runs compared, `report NEW --before OLD`: which part of the key of torch's cache is another one, and what changed it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MODEL, SOURCE, one_break, write_capture
from test_coldstart import HIT, MISS, graph_part, parts, start

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.starts import writers
from compile_doctor.checks import own_checks
from compile_doctor.errors import CaptureError
from compile_doctor.model.asked import Settings
from compile_doctor.model.compilations import Operator, Traced
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.report.before import load_before
from compile_doctor.report.run_checks import run_checks

CHECKS = [check for check in own_checks() if check.compares_starts]


def found(old: Evidence, new: Evidence) -> list[Finding]:
    both = replace(new, earlier=old, before="yesterday")
    return list(run_checks(CHECKS, AnalysisContext(both)).findings)


def keyed(value: str, answer=HIT, **values):
    return start(replace(answer, key=value, parts=parts(**{"inductor_config[max_fusion_size]": value})), **values)


def test_a_setting_has_both_values_the_line_and_the_variable_that_differ():
    old = replace(keyed("64"), environment={"torch": "2.13.0", "threads": 2})
    new = replace(keyed("32"), environment={"torch": "2.13.0", "threads": 2, "TORCHINDUCTOR_MAX_FUSION_SIZE": "32"})
    new = replace(new, sources={MODEL: SOURCE + "torch._inductor.config.max_fusion_size = 32\n"})
    (one,) = found(old, new)
    assert (one.code, one.cause) == ("CD513", "inductor_config")
    assert one.title == "the cache's key is another one than in yesterday: inductor_config[max_fusion_size]"
    assert one.message == (
        "The cache of yesterday does not have this graph: a setting of Inductor has another value "
        f"(inductor_config[max_fusion_size]). {MODEL}:{len(SOURCE.splitlines()) + 1} has  "
        "torch._inductor.config.max_fusion_size = 32."
    )
    assert "purpose" in one.fix
    assert one.evidence == (
        "inductor_config[max_fusion_size]: 64 in the earlier run, 32 in the later run",
        f"{MODEL}:{len(SOURCE.splitlines()) + 1} has  torch._inductor.config.max_fusion_size = 32",
        "environment variable TORCHINDUCTOR_MAX_FUSION_SIZE: not set in the earlier run, 32 in this one",
    )


@pytest.mark.parametrize("old", [HIT, MISS])
@pytest.mark.parametrize("new", [HIT, MISS])
def test_equal_keys_are_no_finding_whatever_the_caches_answered(old, new):
    assert found(keyed("64", old), keyed("64", new)) == []


def test_runs_are_compared_though_lines_moved_and_the_folder_is_another_one():
    (one,) = found(keyed("64", file="/home/other/model.py", line=99), keyed("32"))
    assert one.cause == "inductor_config" and one.location is not None and one.location.line == 5


def test_an_option_is_named():
    old = keyed("False")
    asked = replace(old.asked, options=Settings(mode="max-autotune"))
    (one,) = found(old, replace(keyed("True"), asked=asked))
    assert "option mode: not set in the earlier run, max-autotune in this one" in one.evidence


def test_another_operator_has_its_line():
    def graph(name: str) -> Traced:
        same = Operator(MODEL, 6, "f32", "linear(x)", "linear(x)")
        return Traced("d", operators=(same, Operator(MODEL, 7, "f32", f"torch.{name}(y)", f"torch.{name}(y)")))

    old, new = (start(replace(HIT, key=name, parts=graph_part(name)), traced=graph(name)) for name in ("relu", "tanh"))
    (one,) = found(old, new)
    assert one.cause == "gm" and one.location is not None and one.location.line == 7
    assert "relu" in one.evidence[0] and "tanh" in one.evidence[0]


def test_only_lines_that_give_the_setting_a_value_are_named():
    text = 'a.max_autotune = True\noptions={"max_autotune": True}\nno_max_autotune = 1\n# about max_autotune\n'
    assert [line.split()[0] for line in writers(replace(keyed("1"), sources={MODEL: text}), "max_autotune")] == [
        f"{MODEL}:1",
        f"{MODEL}:2",
    ]


def test_a_capture_without_answers_of_a_cache_is_not_compared(tmp_path):
    for name in ("old", "new"):
        write_capture(tmp_path / name, one_break())
    with pytest.raises(CaptureError, match="old has no key of torch's cache"):
        load_before(tmp_path / "new", tmp_path / "old")


def test_the_hash_of_torch_itself_is_not_printed_as_text():
    old, new = (start(replace(HIT, key=raw, parts=parts(torch_version=raw))) for raw in ("\ufffdM\x10", "o\ufffdn"))
    (one,) = found(old, new)
    assert (one.cause, one.evidence[0]) == ("torch_version", "torch_version: another hash of torch's own files")


def test_two_programs_are_not_compared():
    folder = Path(__file__).parent / "evidence" / "starts" / "2.13.0"
    with pytest.raises(CaptureError, match="no function in common"):
        load_before(folder / "blocks.zip", folder / "run-id.zip")


def test_the_recorded_starts_of_two_torches_are_told_apart():
    folder = Path(__file__).parent / "evidence" / "starts"
    both = load_before(folder / "2.13.0" / "run-id.zip", folder / "2.8.0" / "run-id.zip")
    (one,) = run_checks(CHECKS, AnalysisContext(both)).findings
    assert (one.code, one.cause) == ("CD513", "torch_version")
    assert any(line.startswith("torch: 2.8.0") and "2.13.0" in line for line in one.evidence)
    assert all("\ufffd" not in line for line in one.evidence)


def test_equal_keys_on_another_kind_of_processor_are_a_finding():
    old, new = (replace(keyed("64"), environment={"device": "cpu", "processor": one}) for one in ("AVX512", "AVX2"))
    (one,) = found(old, new)
    assert (one.code, one.cause) == ("CD512", "other-processor") and "AVX512" in one.message and "AVX2" in one.message
    assert found(old, old) == []
    other_key = replace(keyed("32"), environment=new.environment)
    assert [one.code for one in found(old, other_key)] == ["CD513"]
    unknown = replace(keyed("64"), environment={"device": "cpu"})
    assert found(unknown, new) == [], "a capture that does not name the processor"
