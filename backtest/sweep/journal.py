"""Where a sweep keeps what is done, chunk by chunk: in the ledger, in a folder, or nowhere."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias

import polars as pl

from backtest.ledger.refusals import SweepDiffers

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from backtest.ledger.records import Family, Surface, Trial

__all__ = ["FolderJournal", "Journal", "LedgerJournal", "MemoryJournal", "Opening", "Recorder"]

_UNDERWAY: Final = 2


Trials: TypeAlias = "Callable[[], Sequence[Trial]]"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a sweep is when it begins or goes on.

    Attributes
    ----------
    total
        Its valid points.
    """

    sweep_id: str
    spec: Mapping[str, Any]
    total: int
    family: Family


class Journal(Protocol):
    """Keep the chunks of one sweep, each whole or not at all."""

    def open(self, opening: Opening) -> set[int]:
        """Begin, or find what is there; return the numbers of the chunks that are kept."""
        ...

    def record(self, chunk: int, first: int, figures: pl.DataFrame, trials: Trials) -> None:
        """Keep a chunk; one that is kept already stays as it is.

        Parameters
        ----------
        trials
            Makes the trial of each point, where somebody counts them.
        """
        ...

    def figures(self) -> pl.DataFrame:
        """Return the rows of all chunks that are kept, in the order of their points."""
        ...


class LedgerJournal:
    """Keep chunks and their trials in the database, both in one transaction."""

    def __init__(
        self, ledger: Ledger, *, surface: Surface = "notebook", requested_by: str | None = None
    ) -> None:
        self._ledger = ledger
        self._surface: Surface = surface
        self._requested_by = requested_by
        self._sweep_id = ""
        self._opening: Opening | None = None

    def open(self, opening: Opening) -> set[int]:
        """Begin, or find what is there; return the numbers of the chunks that are kept.

        The sweep is written down with its first chunk: one that fails before leaves nothing.
        """
        kept = self._ledger.done_chunks(opening.sweep_id)
        self._sweep_id, self._opening = opening.sweep_id, None if kept else opening
        return kept

    def record(self, chunk: int, first: int, figures: pl.DataFrame, trials: Trials) -> None:
        """Keep a chunk; one that is kept already stays as it is."""
        opening, self._opening = self._opening, None
        if opening is not None:
            self._ledger.open_sweep(
                opening.sweep_id,
                opening.spec,
                opening.total,
                opening.family,
                surface=self._surface,
                requested_by=self._requested_by,
            )
        self._ledger.record_chunk(self._sweep_id, chunk, first, figures, trials())

    def figures(self) -> pl.DataFrame:
        """Return the rows of all chunks that are kept, in the order of their points."""
        if self._opening is not None:
            return pl.DataFrame()
        return self._ledger.sweep_figures(self._sweep_id)


class FolderJournal:
    """Keep chunks as Parquet files below a folder, one folder a sweep; no trial is counted."""

    def __init__(self, folder: Path) -> None:
        self._top = folder
        self._folder = folder

    def open(self, opening: Opening) -> set[int]:
        """Begin, or find what is there; return the numbers of the chunks that are kept.

        Raises
        ------
        SweepDiffers
            The folder holds another sweep under this id.
        """
        self._folder = self._top / opening.sweep_id[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        said = self._folder / "sweep.json"
        wanted = {"sweep_id": opening.sweep_id, "total": opening.total}
        if said.exists():
            found = json.loads(said.read_text("utf-8"))
            if {name: found[name] for name in wanted} != wanted:
                message = f"{self._folder} holds sweep {found['sweep_id'][:12]}."
                raise SweepDiffers(message, "Choose another folder.")
        else:
            _replace(said, json.dumps({**wanted, "spec": opening.spec}, indent=2).encode())
        return {int(path.stem.removeprefix("chunk-")) for path in self._files()}

    def record(
        self,
        chunk: int,
        first: int,  # noqa: ARG002 - the rows say it
        figures: pl.DataFrame,
        trials: Trials,  # noqa: ARG002 - a folder is no ledger
    ) -> None:
        """Keep a chunk; one that is kept already stays as it is."""
        path = self._folder / f"chunk-{chunk:08d}.parquet"
        if path.exists():
            return
        # A name that is not looked for until the file is whole.
        half = path.with_suffix(".half")
        figures.write_parquet(half, compression="zstd", statistics=False)
        half.replace(path)

    def figures(self) -> pl.DataFrame:
        """Return the rows of all chunks that are kept, in the order of their points."""
        frames = [pl.read_parquet(path) for path in self._files()]
        return pl.concat(frames) if frames else pl.DataFrame()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("chunk-*.parquet"))


@dataclass(slots=True)
class MemoryJournal:
    """Keep chunks as long as the process lives."""

    _chunks: dict[int, pl.DataFrame] = field(default_factory=dict[int, pl.DataFrame])

    def open(self, opening: Opening) -> set[int]:  # noqa: ARG002 - there is nothing to find
        """Begin, or find what is there; return the numbers of the chunks that are kept."""
        return set(self._chunks)

    def record(
        self,
        chunk: int,
        first: int,  # noqa: ARG002 - the rows say it
        figures: pl.DataFrame,
        trials: Trials,  # noqa: ARG002 - memory is no ledger
    ) -> None:
        """Keep a chunk; one that is kept already stays as it is."""
        self._chunks.setdefault(chunk, figures)

    def figures(self) -> pl.DataFrame:
        """Return the rows of all chunks that are kept, in the order of their points."""
        frames = [self._chunks[number] for number in sorted(self._chunks)]
        return pl.concat(frames) if frames else pl.DataFrame()


class Recorder:
    """Keep chunks beside the computing: what waits for the database does not wait for it.

    At most two chunks are on their way; `close` waits for them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sweep journal")
        self._underway: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        if kind is None:
            self.flush()

    def record(self, chunk: int, first: int, figures: pl.DataFrame, trials: Trials) -> None:
        """Keep a chunk, soon; what went wrong with one before is raised here."""
        self.flush(_UNDERWAY - 1)
        self._underway.append(
            self._pool.submit(self._journal.record, chunk, first, figures, trials)
        )

    def flush(self, left: int = 0) -> None:
        """Wait until no more than so many chunks are on their way; raise what went wrong."""
        while len(self._underway) > left:
            self._underway.popleft().result()


def _replace(path: Path, content: bytes) -> None:
    half = path.with_suffix(".half")
    half.write_bytes(content)
    half.replace(path)
