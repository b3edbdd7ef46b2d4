"""Every figure has its words, and the page of metrics says the same."""

from __future__ import annotations

from candela.metrics.figures import CURVE_METRICS, METRICS, TRADE_METRICS
from candela.metrics.words import WORDS
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "concepts" / "metrics.md").read_text(encoding="utf-8")


def test_words_of_figures_are_there_for_each_and_in_order() -> None:
    assert tuple(WORDS) == METRICS
    assert {*CURVE_METRICS, *TRADE_METRICS} == {*METRICS}


def test_labels_of_figures_are_each_used_once() -> None:
    labels = [words.label for words in WORDS.values()]
    assert len({*labels}) == len(labels)


def test_definition_of_figure_is_one_sentence() -> None:
    unlike = [
        name
        for name, words in WORDS.items()
        if not words.definition.endswith(".") or ". " in words.definition or not words.source
    ]
    assert unlike == []


def test_page_of_metrics_holds_the_row_of_each_figure() -> None:
    rows = [
        f"| `{name}` | {words.label} | {words.unit} | {words.definition} | {words.source} |"
        for name, words in WORDS.items()
    ]
    assert PAGE[PAGE.index("## All figures") :].splitlines()[-len(rows) :] == rows
