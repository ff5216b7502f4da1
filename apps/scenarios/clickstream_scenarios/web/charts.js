// Ratio and volume of the last 24 hours, minute by minute.

import { at } from "./dom.js";
import { count, share, word } from "./words.js";

let chart;
const MINUTE_MS = 60_000;
const SHORTEST_MS = 30 * MINUTE_MS; // of a single minute ECharts would make a bar two days wide
const TIMES = { day: "{MM}-{dd}", hour: "{HH}:{mm}", minute: "{HH}:{mm}" };
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function draw(minutes) {
  const host = at("chart");
  host.hidden = !minutes.length;
  if (!minutes.length) return;
  host.setAttribute("aria-label", word("chart_label"));
  chart ??= globalThis.echarts.init(host, null, { renderer: "svg" });
  const [text, line, accent, soft] = ["--muted", "--line", "--accent", "--accent-soft"].map(colour);
  const axis = { axisLabel: { color: text, fontSize: 12, hideOverlap: true }, splitLine: { lineStyle: { color: line } } };
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: "inherit" },
    grid: { left: 48, right: 60, top: 16, bottom: 28 },
    tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (value) => (value <= 1 ? share(value) : count(value)) },
    xAxis: { type: "time", min: ({ min, max }) => Math.min(min, max - SHORTEST_MS), max: ({ max }) => max + MINUTE_MS, containShape: false, splitNumber: host.clientWidth < 500 ? 3 : 8, ...axis, axisLabel: { ...axis.axisLabel, formatter: TIMES }, splitLine: { show: false } },
    yAxis: [{ type: "value", minInterval: 1, ...axis }, { type: "value", min: 0, max: 1, axisLabel: { color: text, formatter: (value) => share(value) }, splitLine: { show: false } }],
    series: [
      { name: word("requests"), type: "bar", barMaxWidth: 24, data: minutes.map((each) => [each.minute, each.total_count]), itemStyle: { color: soft }, tooltip: { valueFormatter: count } },
      { name: word("ratio"), type: "line", yAxisIndex: 1, showSymbol: minutes.length < 3, data: minutes.map((each) => [each.minute, each.total_count ? each.success_count / each.total_count : 0]), itemStyle: { color: accent }, tooltip: { valueFormatter: share } },
    ],
  });
  chart.resize();
}

addEventListener("resize", () => chart?.resize());
