"""The colours of the page can be read on both grounds, and told apart."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = (files("backtest.report") / "static" / "report.css").read_text(encoding="utf-8")


def tokens(theme: str) -> dict[str, str]:
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root(?::not\(\[data-paper\]\))? \{(.*?)\}", CSS, re.DOTALL)[:2]
    )
    return light if theme == "light" else {**light, **dark}


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    line = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "soft", "accent", "up", "down", "warn", "bench"])
def test_text_on_either_ground_has_enough_contrast(theme: str, text: str) -> None:
    colours = tokens(theme)
    assert contrast(colours[text], colours["ground"]) >= 4.5
    assert contrast(colours[text], colours["panel"]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("cell", ["gain-1", "gain-2", "gain-3", "loss-1", "loss-2", "loss-3"])
def test_figure_in_a_cell_of_the_heat_table_has_enough_contrast(theme: str, cell: str) -> None:
    colours = tokens(theme)
    assert contrast(colours["ink"], colours[cell]) >= 4.5


def test_dark_theme_changes_every_colour() -> None:
    light, dark = tokens("light"), tokens("dark")
    assert light.keys() == dark.keys()
    assert [name for name in light if light[name] == dark[name]] == []
