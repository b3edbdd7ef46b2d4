/* Candles, equity, drawdown and exposure from the packed columns in the page. */
"use strict";
document.documentElement.classList.add("js");
const report = (() => {
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const byId = (id) => document.getElementById(id);

  function unpacked(column) {
    const text = atob(column.data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    const kinds = { int32: Int32Array, float32: Float32Array, float64: Float64Array };
    const values = new kinds[column.type](bytes.buffer);
    return column.scale > 1 ? Float64Array.from(values, (value) => value / column.scale) : values;
  }

  // The CSV behind the download link is the one copy of the trades in the page.
  function readTrades() {
    const link = byId("trades-csv");
    if (!link) return [];
    const bytes = Uint8Array.from(atob(link.href.split("base64,")[1]), (c) => c.charCodeAt(0));
    const [names, ...lines] = new TextDecoder().decode(bytes).trimEnd().split("\n").map(cells);
    const words = new Set(["instrument", "side", "entry_time", "exit_time", "reason"]);
    return lines.map((line) => {
      const trade = {};
      names.forEach((name, i) => { trade[name] = words.has(name) ? line[i] : Number(line[i]); });
      if (data.bets) trade.units = trade.stake;
      trade.costs = trade.fees + trade.slippage - trade.funding;
      return trade;
    });
  }
  function cells(line) {
    return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)]
      .map((found) => (found[1] === undefined ? found[2] : found[1].replaceAll('""', '"')));
  }

  function grouped(value, decimals) {
    let places = decimals;
    if (value !== 0 && Math.abs(value) < 10 ** (1 - decimals)) {
      places = Math.min(12, 2 - Math.floor(Math.log10(Math.abs(value))));
    }
    return fixed(value, places);
  }
  // As the page's own figures are rounded: the number that is stored, a tie to the even digit.
  function fixed(value, places) {
    const exact = value.toFixed(60);
    const end = exact.indexOf(".") + places + (places ? 1 : 0);
    const kept = exact.slice(0, end);
    const tie = /^\.?50*$/.test(exact.slice(end)) && /[02468]$/.test(kept);
    const [whole, rest] = (tie ? kept : value.toFixed(places)).split(".");
    const text = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "");
    return /[1-9]/.test(text) ? text : text.replace("-", "");
  }
  function units(value) {
    if (value === 0) return "0";
    const text = fixed(value, Math.min(Math.max(5 - Math.floor(Math.log10(Math.abs(value))), 0), 12));
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  }
  const percent = (ratio) => `${fixed(ratio * 100, 2)} %`;
  const price = (value) => grouped(value, data.decimals);
  const when = (seconds) => {
    const text = new Date(seconds * 1000).toISOString().replace("T", " ");
    return text.slice(17, 19) === "00" ? text.slice(0, 16) : text.slice(0, 19);
  };

  const column = {};
  for (const name of ["time", "open", "high", "low", "close", "equity", "benchmark", "under", "exposure"]) {
    column[name] = unpacked(data[name]);
  }
  const length = column.time.length;
  const trades = readTrades();
  const secondsOf = (text) => Date.parse(text) / 1000;

  // The candle that an instant falls into: the last that starts at it or before.
  function indexAt(seconds) {
    let low = 0;
    let high = length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (column.time[middle] <= seconds) low = middle; else high = middle - 1;
    }
    return low;
  }

  const tokens = (...names) => {
    const style = getComputedStyle(document.documentElement);
    return names.map((name) => style.getPropertyValue(`--${name}`).trim());
  };

  const { createChart, createSeriesMarkers, CandlestickSeries, LineSeries, BaselineSeries, CrosshairMode, LineStyle } = window.LightweightCharts;
  const charts = [];
  const themed = []; // functions that put the colours of the page's theme on a series

  function made(id, format) {
    const chart = createChart(byId(id), {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 12, fontFamily: getComputedStyle(document.body).fontFamily },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { minimumWidth: 84, borderVisible: false },
      timeScale: { timeVisible: data.seconds < 86400, secondsVisible: data.seconds < 60, minBarSpacing: 0.001, borderVisible: false, fixLeftEdge: true, fixRightEdge: true },
      localization: format ? { priceFormatter: format } : {},
      handleScroll: { vertTouchDrag: false, mouseWheel: false },
      handleScale: { mouseWheel: false },
    });
    // The wheel scrolls the page; with Ctrl it zooms the chart.
    byId(id).addEventListener("wheel", (event) => chart.applyOptions({ handleScale: { mouseWheel: event.ctrlKey } }), { capture: true, passive: true });
    charts.push({ chart, place: byId(id), series: null, values: null });
    return chart;
  }
  const points = (values) => Array.from(column.time, (time, i) => (Number.isNaN(values[i]) ? { time } : { time, value: values[i] }));

  // --- candles, indicators, trades
  const TONES = ["warn", "bench", "accent", "up", "down", "ink"];
  const STYLES = [["", LineStyle.Solid], ["dashed", LineStyle.Dashed], ["dotted", LineStyle.Dotted]];
  const priceChart = made("chart-price");
  const candles = priceChart.addSeries(CandlestickSeries, { priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "price", precision: data.decimals, minMove: 10 ** -data.decimals } });
  candles.setData(Array.from(column.time, (time, i) => ({ time, open: column.open[i], high: column.high[i], low: column.low[i], close: column.close[i] })));
  charts[0].series = candles;
  charts[0].values = column.close;
  themed.push(() => {
    const [ground, up, down] = tokens("ground", "up", "down");
    candles.applyOptions({ upColor: ground, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down });
  });
  const paneNames = [];
  const indicators = data.panes.map((pane, number) => {
    const values = unpacked(pane.values);
    if (pane.pane !== null && !paneNames.includes(pane.pane)) paneNames.push(pane.pane);
    const place = paneNames.indexOf(pane.pane) + 1; // 0: with the candles
    const [dash, lineStyle] = STYLES[number % STYLES.length];
    const tone = TONES[number % TONES.length];
    const line = priceChart.addSeries(LineSeries, { lineWidth: 2, lineStyle, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false, priceFormat: place === 0 ? { type: "price", precision: data.decimals, minMove: 10 ** -data.decimals } : { type: "custom", minMove: 1e-9, formatter: (value) => String(Number(value.toPrecision(5))) } }, place);
    line.setData(points(values));
    themed.push(() => line.applyOptions({ color: tokens(tone)[0] }));
    const key = document.createElement("li");
    const sample = document.createElement("span");
    sample.className = `line ${dash} tone-${tone}`;
    key.append(sample, place ? `${pane.pane}: ${pane.name} (pane ${place} below)` : pane.name);
    byId("price-keys").append(key);
    return { name: pane.name, values };
  });
  priceChart.panes().forEach((pane, number) => pane.setStretchFactor(number ? 1 : Math.max(3, paneNames.length + 1)));
  if (paneNames.length) byId("chart-price").classList.add(`panes-${Math.min(paneNames.length, 3)}`);

  const events = new Map(); // index of a candle -> what happened in it
  const marks = [];
  const add = (seconds, mark, said) => {
    const index = indexAt(seconds);
    marks.push({ ...mark, index });
    if (!events.has(index)) events.set(index, []);
    events.get(index).push(said);
  };
  function addBet(trade, sign) {
    const result = trade.pnl > 0 ? "won" : trade.pnl < 0 ? "lost" : "tied";
    add(secondsOf(trade.entry_time), { ...sign, text: `${trade.side} ${trade.number}` },
      `Contract ${trade.number}: ${trade.side}, stake ${grouped(trade.stake, 2)} at ${price(trade.entry_price)} (${when(secondsOf(trade.entry_time))})`);
    if (!trade.exit_time) return;
    add(secondsOf(trade.exit_time), { shape: "square", position: "inBar", tone: sign.tone, text: result },
      `Contract ${trade.number}: ${result} by expiry at ${price(trade.exit_price)} (${when(secondsOf(trade.exit_time))}), result ${grouped(trade.pnl, 2)} ${data.unit}`);
  }
  for (const trade of trades) {
    if (trade.instrument !== data.instrument && data.instruments > 1) continue;
    const long = trade.side === "long" || trade.side === "call";
    trade.index = indexAt(secondsOf(trade.entry_time));
    const bought = { shape: "arrowUp", position: "belowBar", tone: "accent" };
    const sold = { shape: "arrowDown", position: "aboveBar", tone: "ink" };
    if (data.bets) {
      addBet(trade, long ? bought : sold);
      continue;
    }
    add(secondsOf(trade.entry_time), { ...(long ? bought : sold), text: `${long ? "Buy" : "Short"} ${trade.number}` },
      `Trade ${trade.number}: ${long ? "bought" : "sold short"} ${units(trade.units)} at ${price(trade.entry_price)} (${when(secondsOf(trade.entry_time))})`);
    if (trade.exit_time) {
      add(secondsOf(trade.exit_time), { ...(long ? sold : bought), text: `${trade.reason === "signal" ? (long ? "Sell" : "Cover") : trade.reason} ${trade.number}` },
        `Trade ${trade.number}: ${long ? "sold" : "bought back"} by ${trade.reason} at ${price(trade.exit_price)} (${when(secondsOf(trade.exit_time))}), result ${grouped(trade.pnl, 2)} ${data.unit} (${percent(trade.return)})`);
    }
  }
  for (const [seconds, side, at, amount] of data.legs) {
    add(seconds, { shape: "circle", position: side > 0 ? "belowBar" : "aboveBar", tone: side > 0 ? "accent" : "ink", text: "" },
      `${side > 0 ? "Bought" : "Sold"} ${units(amount)} more or less of an open trade at ${price(at)}`);
  }
  marks.sort((one, other) => one.index - other.index);
  const markers = createSeriesMarkers(candles, []);
  let worded = null; // whether the marks carry words: only where few are in view
  function mark(withWords) {
    const colours = Object.fromEntries(TONES.map((tone) => [tone, tokens(tone)[0]]));
    markers.setMarkers(marks.map((one) => ({ time: column.time[one.index], position: one.position, shape: one.shape, color: colours[one.tone], size: 1.5, text: withWords ? one.text : undefined })));
    worded = withWords;
  }
  themed.push(() => mark(worded === true));

  // --- the curves
  const equityChart = made("chart-equity", (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 6 }));
  const benchmark = equityChart.addSeries(LineSeries, { lineWidth: 1, priceLineVisible: false, lastValueVisible: false });
  benchmark.setData(points(column.benchmark));
  const equity = equityChart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false, lastValueVisible: false });
  equity.setData(points(column.equity));
  const underChart = made("chart-under", percent);
  const under = underChart.addSeries(BaselineSeries, {
    baseValue: { type: "price", price: 0 }, lineWidth: 1, priceLineVisible: false, lastValueVisible: false,
    autoscaleInfoProvider: (original) => {
      const found = original();
      if (found && found.priceRange) found.priceRange.maxValue = 0; // nothing stands above its peak
      return found;
    },
  });
  underChart.priceScale("right").applyOptions({ scaleMargins: { top: 0.06, bottom: 0.1 } });
  under.setData(points(column.under));
  const exposureChart = made("chart-exposure", percent);
  const exposure = exposureChart.addSeries(BaselineSeries, { baseValue: { type: "price", price: 0 }, lineWidth: 1, lineType: 1, priceLineVisible: false, lastValueVisible: false });
  exposure.setData(points(column.exposure));
  [[equity, column.equity], [under, column.under], [exposure, column.exposure]].forEach(([series, values], i) => {
    charts[i + 1].series = series;
    charts[i + 1].values = values;
  });
  const faint = (colour) => `${colour}55`;
  themed.push(() => {
    const [ground, ink, line, accent, up, down, bench] = tokens("ground", "soft", "line", "accent", "up", "down", "bench");
    for (const { chart } of charts) {
      chart.applyOptions({ layout: { background: { color: ground }, textColor: ink, panes: { separatorColor: line } }, grid: { vertLines: { color: faint(line) }, horzLines: { color: faint(line) } } });
    }
    benchmark.applyOptions({ color: bench });
    equity.applyOptions({ color: accent });
    under.applyOptions({ topLineColor: down, topFillColor1: faint(down), topFillColor2: faint(down), bottomLineColor: down, bottomFillColor1: faint(down), bottomFillColor2: faint(down) });
    exposure.applyOptions({ topLineColor: up, topFillColor1: faint(up), topFillColor2: faint(up), bottomLineColor: down, bottomFillColor1: faint(down), bottomFillColor2: faint(down) });
  });
  const theme = () => themed.forEach((put) => put());
  theme();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
  window.addEventListener("beforeprint", () => { document.documentElement.dataset.paper = "yes"; theme(); });
  window.addEventListener("afterprint", () => { delete document.documentElement.dataset.paper; theme(); });

  // --- one time axis: the curves move together, the candles with them where that is asked for
  const linked = byId("linked");
  const scales = charts.map(({ chart }) => chart.timeScale());
  const same = (one, other) => one && Math.abs(one.from - other.from) < 1e-3 && Math.abs(one.to - other.to) < 1e-3;
  function moved(from, range) {
    if (!range) return;
    scales.forEach((scale, number) => {
      if (number === from || !(linked.checked || (from > 0 && number > 0))) return;
      if (!same(scale.getVisibleLogicalRange(), range)) scale.setVisibleLogicalRange(range);
    });
    shade();
  }
  const windows = charts.slice(1).map(({ place }) => {
    const shaded = document.createElement("div");
    shaded.className = "window";
    place.append(shaded);
    return shaded;
  });
  function shade() {
    const range = scales[0].getVisibleLogicalRange();
    windows.forEach((shaded, i) => {
      const whole = scales[i + 1].getVisibleLogicalRange();
      const hidden = !range || !whole || linked.checked || (range.from <= whole.from + 1 && range.to >= whole.to - 1);
      shaded.hidden = hidden;
      if (hidden) return;
      const width = scales[i + 1].width();
      const place = (logical) => Math.min(Math.max(((logical - whole.from) / (whole.to - whole.from)) * width, 0), width);
      shaded.style.left = `${place(range.from)}px`;
      shaded.style.width = `${Math.max(place(range.to) - place(range.from), 3)}px`;
    });
  }
  scales.forEach((scale, number) => scale.subscribeVisibleLogicalRangeChange((range) => {
    moved(number, range);
    if (number === 0) {
      shade();
      const few = range !== null && scales[0].width() / (range.to - range.from) > 5
        && marks.filter(({ index }) => index >= range.from && index <= range.to).length <= 14;
      if (few !== worded) mark(few);
    }
  }));
  scales.forEach((scale) => scale.subscribeSizeChange(shade));
  linked.addEventListener("change", () => moved(0, linked.checked ? scales[0].getVisibleLogicalRange() : null));
  linked.addEventListener("change", () => { if (!linked.checked) scales.slice(1).forEach((scale) => scale.fitContent()); });

  // --- what the pointer is at
  const readout = byId("readout");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  charts[0].place.append(tip);
  const paragraph = (text) => Object.assign(document.createElement("p"), { textContent: text });
  function tell(index) {
    const parts = [`O ${price(column.open[index])}  H ${price(column.high[index])}  L ${price(column.low[index])}  C ${price(column.close[index])}`];
    for (const { name, values } of indicators) if (!Number.isNaN(values[index])) parts.push(`${name}: ${Number(values[index].toPrecision(7))}`);
    parts.push(`equity: ${grouped(column.equity[index], 2)}`, `drawdown: ${percent(column.under[index])}`, `exposure: ${percent(column.exposure[index])}`);
    readout.replaceChildren(paragraph(`${when(column.time[index])} UTC; ${parts.join("; ")}`), ...(events.get(index) || []).map(paragraph));
  }
  function showTip(index, point) {
    const said = index === null ? undefined : events.get(index);
    tip.hidden = !said;
    if (!said) return;
    tip.replaceChildren(...said.slice(0, 6).map(paragraph));
    if (said.length > 6) tip.append(paragraph(`and ${said.length - 6} more, in the table`));
    const { clientWidth: wide } = charts[0].place;
    tip.style.left = `${Math.max(4, Math.min(point.x + 14, wide - tip.offsetWidth - 88))}px`;
    tip.style.top = `${Math.max(4, point.y - tip.offsetHeight - 10)}px`;
  }
  charts.forEach(({ chart }, number) => {
    chart.subscribeCrosshairMove((param) => {
      if (!param.sourceEvent) return; // set from here, not by the pointer
      const index = param.logical === undefined || param.logical === null ? null : param.logical;
      const there = index !== null && index >= 0 && index < length;
      charts.forEach((other, i) => {
        if (i === number) return;
        if (there) other.chart.setCrosshairPosition(other.values[index], column.time[index], other.series);
        else other.chart.clearCrosshairPosition();
      });
      if (there) tell(index);
      if (number === 0) showTip(there ? index : null, param.point);
    });
    if (number > 0) {
      chart.subscribeClick((param) => { if (param.logical !== undefined && param.logical !== null) near(param.logical); });
    }
  });

  const NEAR = 150;
  const wide = () => Math.min(NEAR, Math.max(40, Math.round(charts[0].place.clientWidth / 7)), length);
  function near(index) {
    const half = wide() / 2;
    const from = Math.min(Math.max(index - half, -0.5), Math.max(length - 0.5 - 2 * half, -0.5));
    scales[0].setVisibleLogicalRange({ from, to: from + 2 * half });
  }
  const marked = trades.filter((trade) => trade.index !== undefined);
  let current = marked.length;
  function showTrade(number) {
    current = Math.min(Math.max(number, 0), marked.length - 1);
    near(marked[current].index);
    tell(marked[current].index);
    const { exit_time: left } = marked[current];
    if (left && indexAt(secondsOf(left)) !== marked[current].index) {
      readout.append(...events.get(indexAt(secondsOf(left))).filter((said) => said.includes(` ${marked[current].number}: `)).map(paragraph));
    }
  }
  byId("trade-before").addEventListener("click", () => showTrade(current - 1));
  byId("trade-after").addEventListener("click", () => showTrade(current + 1));
  byId("trade-before").disabled = byId("trade-after").disabled = !marked.length;
  byId("show-all").addEventListener("click", () => scales[0].fitContent());
  byId("show-near").addEventListener("click", () => near(length));
  scales.slice(1).forEach((scale) => scale.fitContent());
  if (length) { near(marked.length ? marked[marked.length - 1].index : length); tell(length - 1); }
  document.documentElement.dataset.charts = "drawn";

  return { data, trades, grouped, units, percent, price, when, secondsOf, showNumber: (number) => {
    const place = marked.findIndex((trade) => trade.number === number);
    if (place >= 0) { showTrade(place); byId("candles").scrollIntoView(); }
    return place >= 0;
  } };
})();
