"""Each file of the corrupt set gives exactly the defect that its manifest names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from candela.clock import SystemClock
from candela.files.options import ReadOptions
from candela.files.report import check_file
from tests.candela.files.making import SHARED

FOLDER = SHARED / "corrupt"


def entries() -> list[Any]:
    manifest = FOLDER / "manifest.json"
    if not manifest.exists():
        reason = "../shared/data/corrupt is not here"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    files = json.loads(manifest.read_text())["files"]
    return [pytest.param(entry, id=entry["file"]) for entry in files]


@pytest.mark.parametrize("entry", entries())
def test_corrupt_file_when_checked_gives_its_defect_only(entry: dict[str, Any]) -> None:
    report = check_file(FOLDER / entry["file"], ReadOptions(), SystemClock())
    data: dict[str, Any] = report.as_dict()
    findings = [*report.refused, *report.flagged, *report.gaps]
    assert data["rows"] == entry["data_rows"]
    if entry["defect"] in ("none", "crlf_bom"):
        assert (findings, data["error"], report.exit_code) == ([], None, 0)
        return
    if entry["rows"] == "all" or entry["defect"] == "empty_file":
        assert report.error is not None
        assert report.error.finding.check == entry["defect"]
        assert report.error.finding.column in entry["columns"]
        assert report.error.hint
        assert (findings, data["accepted"], report.exit_code) == ([], 0, 2)
        return
    assert data["error"] is None
    assert report.exit_code == 1
    listed: list[dict[str, Any]] = data["refused"] + data["flagged"] + data["gaps"]
    assert [one["row"] for one in listed] == entry["rows"]
    assert [one["line"] for one in listed] == entry["lines"]
    assert {one["check"] for one in listed} == {entry["defect"]}
    columns = [one["column"] for one in listed]
    if len(entry["columns"]) == len(listed):
        assert columns == entry["columns"]
    else:
        assert set(",".join(columns).split(",")) == set(entry["columns"])
    assert data["accepted"] + len(report.refused) == data["rows"]
    if entry["defect"] == "gap":
        assert data["gaps"][0]["missing"] == entry["missing_minutes"]
