// Draws the report from the JSON in the page. All text is set as text, so names in the data are only shown.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const number = new Intl.NumberFormat("en");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  document.getElementById("day").textContent = data.day;
  for (const remark of data.remarks) document.getElementById("remarks").append(element("li", remark));

  const tiles = document.getElementById("tiles");
  const duration = data.avg_duration_ms === null ? "–" : `${number.format(data.avg_duration_ms)} ms`;
  for (const [label, value] of [
    ["Events", number.format(data.events)],
    ["Unique users", number.format(data.users)],
    ["Unique sessions", number.format(data.sessions)],
    ["Average duration", duration],
  ]) {
    const tile = element("div", undefined, "box");
    tile.append(element("div", value, "number"), element("div", label, "label"));
    tiles.append(tile);
  }

  const charts = document.getElementById("charts");
  const box = (title, wide) => {
    const made = element("section", undefined, wide ? "box wide" : "box");
    made.append(element("h2", title));
    charts.append(made);
    return made;
  };
  const base = () => ({
    textStyle: { color: colour("--text"), fontFamily: "inherit" },
    grid: { left: 8, right: 16, top: 24, bottom: 8, containLabel: true },
    tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, renderMode: "richText" },
    animation: false,
  });
  const axis = { axisLabel: { color: colour("--muted") }, splitLine: { lineStyle: { color: colour("--line") } } };
  const draw = (target, label, option) => {
    const chart = element("div", undefined, "chart");
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", label);
    target.append(chart);
    const drawn = echarts.init(chart, null, { renderer: "canvas" });
    drawn.setOption({ ...base(), ...option });
    addEventListener("resize", () => drawn.resize());
  };

  draw(box("Hour by hour", true), "Events and users of each hour", {
    legend: { textStyle: { color: colour("--text") } },
    grid: { left: 8, right: 8, top: 40, bottom: 8, containLabel: true },
    xAxis: { type: "category", data: data.hours.map((each) => String(each.hour).padStart(2, "0")), ...axis },
    yAxis: [{ type: "value", ...axis }, { type: "value", ...axis, splitLine: { show: false } }],
    series: [
      { name: "Events", type: "bar", data: data.hours.map((each) => each.events), color: colour("--accent") },
      { name: "Users", type: "line", yAxisIndex: 1, data: data.hours.map((each) => each.users), color: colour("--good") },
    ],
  });

  const steps = [["viewed a page", "page_view"], ["then added to cart", "add_to_cart"], ["then purchased", "purchase"]];
  const bars = (target, label, names, values) =>
    draw(target, label, {
      xAxis: { type: "value", ...axis },
      yAxis: { type: "category", inverse: true, data: names, ...axis },
      series: [{
        type: "bar", data: values, color: colour("--accent"),
        label: { show: true, position: "right", color: colour("--text"), formatter: (each) => number.format(each.value) },
      }],
      grid: { left: 8, right: 80, top: 8, bottom: 8, containLabel: true },
    });
  bars(box("Sessions that …"), "Sessions by step of the funnel", steps.map((each) => each[0]),
    steps.map((each) => data.funnel[each[1]]));
  for (const [title, counts] of [["Event types", data.event_types], ["Devices", data.devices], ["Countries", data.countries]]) {
    const names = Object.keys(counts).slice(0, 10);
    if (names.length) bars(box(title), title, names, names.map((name) => counts[name]));
  }
  for (const [title, counts] of [["Pages", data.top_pages], ["Referrers", data.top_referrers]]) {
    const table = element("table");
    for (const [name, count] of Object.entries(counts)) {
      const row = element("tr");
      const share = ((100 * count) / data.events).toFixed(1);
      row.append(element("td", name), element("td", number.format(count)), element("td", `${share} %`));
      table.append(row);
    }
    if (table.rows.length) box(title).append(table);
  }
})();
