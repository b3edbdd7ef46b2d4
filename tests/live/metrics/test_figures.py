"""Figures are text that Prometheus reads, and no label names a person."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from candela.telemetry import Histogram
from live.metrics.endpoint import Endpoint
from live.metrics.figures import FIGURES, Figures


def test_text_of_figures_has_each_name_with_its_kind() -> None:
    figures = Figures()
    figures.count("candela_trades_total", "paper", 3)
    figures.count("candela_trades_total", "live")
    figures.gauge("candela_orders_unknown", lambda: {"": 2})
    figures.lag.add(0.3)
    figures.lag.add(0.3, 4)

    text = figures.text()

    for name, figure in FIGURES.items():
        assert f"# TYPE {name} {figure.kind}" in text
    assert 'candela_trades_total{mode="live"} 1' in text
    assert 'candela_trades_total{mode="paper"} 3' in text
    assert "\ncandela_orders_unknown 2" in text
    assert 'candela_decision_lag_seconds_bucket{le="0.25"} 0' in text
    assert 'candela_decision_lag_seconds_bucket{le="0.5"} 5' in text
    assert "candela_decision_lag_seconds_count 5" in text
    assert figures.total("candela_trades_total") == 4


def test_labels_of_figures_never_name_a_tenant_account_or_bot() -> None:
    labels = {figure.label for figure in FIGURES.values()}

    assert not labels & {"tenant", "account", "bot", "user"}


def test_label_with_quotes_is_escaped() -> None:
    figures = Figures()
    figures.count("candela_errors_total", 'a"b\nc\\')

    assert r'candela_errors_total{part="a\"b\nc\\"} 1' in figures.text()


def test_gauge_of_a_counter_is_refused() -> None:
    with pytest.raises(ValueError, match="candela_trades_total"):
        Figures().gauge("candela_trades_total", dict)


def test_histogram_when_a_value_is_above_all_bounds_then_it_counts_in_the_last() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add(1.0)
    histogram.add(5.0)

    assert histogram.lines("x")[:3] == [
        'x_bucket{le="1.0"} 1',
        'x_bucket{le="2.0"} 1',
        'x_bucket{le="+Inf"} 2',
    ]


def test_endpoint_when_asked_serves_figures_and_health_on_loopback() -> None:
    async def run() -> list[tuple[int, str]]:
        ready = [False]
        endpoint = Endpoint(Figures(), lambda: ready[0])
        address = await endpoint.start()
        assert address.startswith("http://127.0.0.1:")
        root = address.removesuffix("/metrics")
        found: list[tuple[int, str]] = []
        async with aiohttp.ClientSession() as session:
            for path in ("/metrics", "/health/live", "/health/ready", "/health/ready"):
                async with session.get(root + path) as answer:
                    found.append((answer.status, await answer.text()))
                ready[0] = path == "/health/ready"
        await endpoint.close()
        return found

    figures, live, starting, ready = asyncio.run(run())

    assert figures[0] == 200
    assert "candela_resident_bytes" in figures[1]
    assert (live, starting, ready) == ((200, "alive\n"), (503, "starting\n"), (200, "ready\n"))
