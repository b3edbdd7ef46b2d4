"""Files that cannot be read as a whole give one error each, and never anything else."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.errors import DataError
from candela.files.options import ReadOptions
from candela.files.slices import read_slices
from candela.files.unreadable import FileUnreadable
from tests.candela.files.making import (
    CLOCK,
    HEADER,
    NAMED,
    check,
    error_of,
    frame_of,
    lines_of,
    minutes,
    zstd,
)

TEXT = ("\n".join(lines_of(minutes())) + "\n").encode()


def parquet(path: Path) -> bytes:
    frame_of(minutes()).write_parquet(path)
    return path.read_bytes()


def test_missing_file_is_one_error(tmp_path: Path) -> None:
    report = check(tmp_path / "none.csv")
    assert error_of(report) == "missing_file"
    assert report.exit_code == 2


def test_folder_is_one_error(tmp_path: Path) -> None:
    assert error_of(check(tmp_path)) == "not_a_file"


def test_pipe_is_one_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    assert error_of(check(tmp_path / "a.csv")) == "not_a_file"


def test_name_with_zero_byte_is_one_error() -> None:
    assert error_of(check(Path("a\0.csv"))) == "missing_file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT)
    path.chmod(0)
    assert error_of(check(path)) == "no_permission"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.csv.gz"])
def test_no_bytes_is_one_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert error_of(check(tmp_path / name)) == "empty_file"


def test_gzip_of_no_bytes_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b""))
    assert error_of(check(tmp_path / "a.csv.gz")) == "empty_file"


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["gzip", "zstd", "parquet"])
def test_packed_file_when_cut_is_one_error_and_no_slices(
    kind: str, share: float, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    if kind == "parquet":
        whole = parquet(path)
    elif kind == "gzip":
        whole = gzip.compress(TEXT)
    else:
        whole = zstd(TEXT)
    path.write_bytes(whole[: max(8, int(len(whole) * share))])
    report = check(path)
    assert error_of(report) == "truncated_file"
    assert report.accepted == 0


def test_gzip_when_damaged_is_one_error(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(TEXT))
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(bytes(whole))
    assert error_of(check(tmp_path / "a.gz")) in ("encoding", "truncated_file")


def test_parquet_when_damaged_inside_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    whole = bytearray(parquet(path))
    for at in range(8, len(whole) // 2):
        whole[at] ^= 0x5A
    path.write_bytes(bytes(whole))
    assert error_of(check(path)) == "not_parquet"


def test_parquet_with_texts_that_are_no_text_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame_of(minutes()).write_parquet(path, compression="uncompressed", statistics=False)
    path.write_bytes(path.read_bytes().replace(b"BTC/BUSD", b"\xffTC/BUSD"))
    assert error_of(check(path)) == "not_parquet"


def test_text_named_parquet_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(TEXT)
    assert error_of(check(tmp_path / "a.parquet")) == "not_parquet"


def test_parquet_of_other_columns_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame_of(minutes()).rename({"open": "o"}).write_parquet(path)
    assert error_of(check(path)) == "wrong_header"
    frame_of(minutes()).with_columns(open=pl.lit([1.0])).write_parquet(path)
    assert error_of(check(path)) == "wrong_header"
    frame_of(minutes()).with_columns(time=pl.lit(value=True)).write_parquet(path)
    assert error_of(check(path)) == "wrong_header"


def test_parquet_without_rows_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame_of(minutes()).clear().write_parquet(path)
    assert error_of(check(path)) == "empty_file"


def test_parquet_of_seconds_called_milliseconds_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = frame_of(minutes())
    seconds = (pl.col("time").dt.epoch("s")).cast(pl.Datetime("ms", "UTC"))
    frame.with_columns(time=seconds).write_parquet(path)
    assert error_of(check(path)) == "timestamp_unit_seconds"


def test_binary_junk_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(bytes(range(256)) * 64)
    assert error_of(check(path)) == "encoding"
    path.write_bytes(TEXT.decode().encode("utf-32"))
    assert error_of(check(path)) == "encoding"


def test_endless_line_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT + b"1" * 3_000_000)
    assert error_of(check(path)) == "encoding"


def test_error_when_raised_is_a_data_error_with_its_finding(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_slices(tmp_path / "none.csv", NAMED, CLOCK)
    assert isinstance(caught.value, FileUnreadable)
    assert set(caught.value.error_dict()) == {
        "row",
        "line",
        "column",
        "check",
        "value",
        "message",
        "hint",
    }


def survives(path: Path, options: ReadOptions) -> None:
    report = check(path, options)
    if report.error is None:
        refused = {one.row for one in report.refused}
        assert report.accepted + len(refused) == report.rows


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(max_size=400))
def test_arbitrary_bytes_give_a_report(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(junk)
    survives(path, NAMED)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    junk=st.binary(max_size=80),
    at=st.integers(0, 600),
    head=st.sampled_from(
        [
            b"",
            b"\x1f\x8b\x08",
            b"PAR1",
            b"PK\x03\x04",
            b"\x28\xb5\x2f\xfd",
            b"\xff\xfe",
            b"\xef\xbb\xbf",
        ]
    ),
)
def test_bytes_put_into_a_file_give_a_report(
    tmp_path: Path, junk: bytes, at: int, head: bytes
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(head + TEXT[:at] + junk + TEXT[at:2_000])
    survives(path, NAMED)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 8_000), value=st.binary(min_size=1, max_size=8))
def test_bytes_changed_in_parquet_give_a_report(tmp_path: Path, at: int, value: bytes) -> None:
    path = tmp_path / "a.parquet"
    whole = bytearray(parquet(path))
    at %= len(whole)
    whole[at : at + len(value)] = value
    path.write_bytes(bytes(whole))
    survives(path, ReadOptions(instrument=NAMED.instrument))


WORDS = st.sampled_from(
    [
        "",
        "nan",
        "inf",
        "-1",
        "0",
        "1e30",
        "1e-30",
        "x",
        "17000.5",
        "1670889600000",
        "99999999999999",
        '"',
        '"a,b"',
        "1670889660000",
        " 5 ",
        "1670889720",
        "\x1f",
        "é",
        HEADER,
        "2022-12-13",
    ]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.lists(WORDS, min_size=1, max_size=8), max_size=12))
def test_words_for_fields_give_a_report(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "a.csv"
    body = "".join(",".join(row) + "\n" for row in rows)
    path.write_bytes(TEXT[:600] + b"\n" + body.encode())
    survives(path, NAMED)
