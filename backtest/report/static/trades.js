/* The table of trades: sorted by a press on a heading, in pages. */
"use strict";
(() => {
  const table = document.getElementById("trades-table");
  if (!table) return;
  const { data, trades, grouped, units, percent, price, when, secondsOf } = report;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const before = document.getElementById("page-before");
  const after = document.getElementById("page-after");
  const words = document.getElementById("page-words");
  let rows = trades;
  let first = 0;

  function span(seconds) {
    if (seconds >= 31536000) return `${grouped(seconds / 31536000, 1)} years`;
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    let rest = Math.round(seconds);
    const sizes = parts.map(([size]) => { const whole = Math.floor(rest / size); rest -= whole * size; return whole; });
    const largest = sizes.findIndex((size) => size > 0);
    if (largest < 0) return "0 s";
    return [largest, largest + 1].filter((i) => sizes[i]).map((i) => `${sizes[i].toLocaleString("en-US")} ${parts[i][1]}`).join(" ");
  }
  const shown = {
    number: (trade) => trade.number.toLocaleString("en-US"),
    pnl: (trade) => grouped(trade.pnl, 2),
    return: (trade) => percent(trade.return),
    entry_time: (trade) => when(secondsOf(trade.entry_time)),
    entry_price: (trade) => price(trade.entry_price),
    exit_time: (trade) => (trade.exit_time ? when(secondsOf(trade.exit_time)) : "still open"),
    exit_price: (trade) => price(trade.exit_price),
    bars: (trade) => span(trade.bars * data.step),
    units: (trade) => units(trade.units),
    costs: (trade) => grouped(trade.costs, 2),
  };

  function draw() {
    body.replaceChildren(...rows.slice(first, first + data.page).map((trade) => {
      const row = document.createElement("tr");
      for (const head of heads) {
        const { key } = head.dataset;
        const cell = row.insertCell();
        const text = shown[key] ? shown[key](trade) : trade[key];
        cell.className = head.classList.contains("text") ? "text" : "";
        if (key === "pnl" || key === "return") cell.className = trade.pnl > 0 ? "gain" : trade.pnl < 0 ? "loss" : "";
        if (key === "number" && trade.index !== undefined) {
          const button = document.createElement("button");
          button.type = "button";
          button.textContent = text;
          button.setAttribute("aria-label", `Show trade ${text} among the candles`);
          button.addEventListener("click", () => report.showNumber(trade.number));
          cell.append(button);
        } else {
          cell.textContent = text;
        }
      }
      return row;
    }));
    const last = Math.min(first + data.page, rows.length);
    words.textContent = rows.length > data.page ? `${first + 1} to ${last} of ${rows.length}` : `${rows.length} in all`;
    before.disabled = first === 0;
    after.disabled = last === rows.length;
    before.hidden = after.hidden = rows.length <= data.page;
  }

  heads.forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const { key } = head.dataset;
      const side = rising ? 1 : -1;
      rows = [...trades].sort((one, other) => side * (one[key] > other[key] ? 1 : one[key] < other[key] ? -1 : 0) || one.number - other.number);
      first = 0;
      draw();
    });
  });
  before.addEventListener("click", () => { first = Math.max(first - data.page, 0); draw(); });
  after.addEventListener("click", () => { first += data.page; draw(); });
  draw();
})();
