// The charts, drawn on canvas by Apache ECharts; tooltips too, because as HTML they would need styles that the page's
// policy forbids. Colours and font come from the style sheet and follow the reader's light or dark scheme.

import * as format from "./format.js";

const { echarts } = globalThis;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map();
const ROW_PX = 46;
const DAY_MS = 24 * 3600000;
const TOOLTIP_LINE_PX = 22; // ECharts' own
const pen = document.createElement("canvas").getContext("2d");

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const chart = echarts.getInstanceByDom(target);
    if (chart && (target.clientWidth !== chart.getWidth() || target.clientHeight !== chart.getHeight())) redraw(target);
  }
});

function widest(texts, font) {
  pen.font = `14px ${font}`;
  return Math.ceil(Math.max(0, ...texts.map((text) => pen.measureText(text).width)));
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"), muted: colour("muted"), line: colour("line"), accent: colour("accent"),
    soft: colour("accent-soft"), track: colour("track"), card: colour("card"),
    font: getComputedStyle(document.body).fontFamily,
  };
}

function draw(element, options) {
  let chart = echarts.getInstanceByDom(element);
  if (!chart) {
    chart = echarts.init(element, null, { renderer: "canvas" });
    resized.observe(element);
  }
  drawn.set(element, options);
  redraw(element);
  return chart;
}

function redraw(element) {
  const chart = echarts.getInstanceByDom(element);
  if (element.clientWidth === 0 || !drawn.has(element)) return;
  chart.resize();
  const look = theme();
  chart.setOption({
    animation: !still.matches,
    animationDuration: 300,
    animationDurationUpdate: 400,
    textStyle: { fontFamily: look.font, color: look.text },
    ...drawn.get(element)(look, element.clientWidth),
  });
}

dark.addEventListener("change", () => { for (const element of drawn.keys()) redraw(element); });

// A name for a tooltip, which can't leave its canvas: wrapped into as many lines as fit below the number. ECharts takes
// "{a|b}" for a style, so an invisible character follows each brace.
function wrapped(name, width, height) {
  const characters = Math.max(16, Math.floor((width - 40) / 8));
  const lines = Math.min(3, Math.floor((height - 6) / TOOLTIP_LINE_PX) - 1);
  const parts = format.cut(name, lines * characters).match(new RegExp(`.{1,${characters}}`, "gu")) ?? [];
  return parts.join("\n").replaceAll("{", "{\u2060");
}

const tooltip = (look) => ({
  renderMode: "richText", confine: true, padding: [3, 8], backgroundColor: look.card, borderColor: look.line,
  textStyle: { color: look.text, fontSize: 13, fontFamily: look.font },
});

// Horizontal bars, each below its name and its number. rows: [{name, value, label}], at most a dozen.
export function bars(element, rows, summary) {
  element.setAttribute("aria-label", summary);
  element.toggleAttribute("data-nothing", rows.length === 0);
  if (rows.length === 0) { // the style sheet shows the summary instead
    drawn.delete(element);
    echarts.getInstanceByDom(element)?.dispose();
    element.style.height = "";
    return;
  }
  element.style.height = `${rows.length * ROW_PX + 4}px`;
  const most = Math.max(1, ...rows.map((row) => row.value));
  draw(element, (look, width) => {
    const side = (position, data, colour, room) => ({
      type: "category", inverse: true, position, data,
      axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false },
      axisLabel: {
        inside: true, margin: 0, interval: 0, color: colour, fontSize: 14, width: room, overflow: "truncate",
        verticalAlign: "bottom", padding: [0, 0, 9, 0], align: position, fontFamily: look.font,
      },
      z: 3,
    });
    const labelRoom = Math.min(width * 0.75, widest(rows.map((row) => row.label), look.font) + 2);
    return {
      grid: { left: 0, right: 0, top: 8, bottom: 0, outerBoundsMode: "none" },
      xAxis: { type: "value", min: 0, max: most, show: false },
      yAxis: [
        side("left", rows.map((row) => row.name), look.text, Math.max(40, width - labelRoom - 12)),
        side("right", rows.map((row) => row.label), look.muted, labelRoom),
      ],
      tooltip: {
        ...tooltip(look), trigger: "item",
        formatter: ({ dataIndex }) => {
          const row = rows[dataIndex];
          return row ? `${row.label}\n${wrapped(row.name, width, element.clientHeight)}` : "";
        },
      },
      series: [{
        type: "bar", barWidth: 9, emphasis: { disabled: true }, data: rows.map((row) => row.value || null), barMinHeight: 2,
        itemStyle: { color: look.accent, borderRadius: 5 },
        showBackground: true, backgroundStyle: { color: look.track, borderRadius: 5 },
      }],
    };
  });
}

// One figure over time, with a mark at the chosen window. The line breaks where windows are missing, because there were
// no events. points: [{start, end, value}], oldest first; onChoose gets the index of a point.
export function line(element, points, { chosen, figure, onChoose, summary }) {
  element.setAttribute("aria-label", summary);
  const data = [];
  points.forEach((point, index) => {
    const earlier = points[index - 1];
    if (earlier && point.start - earlier.end >= point.end - point.start) data.push([earlier.end, null]);
    data.push([point.start, point.value, index]);
  });
  const span = points.length ? points.at(-1).start - points[0].start : 0;
  const label = span > 2 * DAY_MS ? format.day : span > DAY_MS ? format.moment : format.minute;
  const single = points.length === 1 ? points[0] : undefined; // ECharts draws no axis for one point
  const chart = draw(element, (look, width) => ({
    grid: { left: 4, right: 12, top: 16, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    xAxis: {
      type: "time", min: single ? 2 * single.start - single.end : null, max: single?.end ?? null, splitNumber: Math.max(2, Math.floor(width / 150)), minInterval: span > 2 * DAY_MS ? DAY_MS : 60000,
      axisLine: { lineStyle: { color: look.line } }, axisTick: { show: false },
      axisLabel: {
        color: look.muted, hideOverlap: true, fontSize: 12, showMinLabel: false, showMaxLabel: false,
        formatter: (value) => label(value),
      },
    },
    yAxis: {
      type: "value", min: 0, minInterval: 1, splitNumber: 4, axisLabel: { color: look.muted, fontSize: 12, formatter: format.short },
      splitLine: { lineStyle: { color: look.line } },
    },
    tooltip: {
      ...tooltip(look), trigger: "axis", axisPointer: { type: "line", lineStyle: { color: look.accent, type: "solid" } },
      formatter: ([hit]) => {
        const point = hit && points[hit.value[2]];
        return point ? `${format.period(point.start, point.end)}\n${figure}: ${format.count(point.value)}` : "";
      },
    },
    series: [{
      type: "line", data, emphasis: { disabled: true }, sampling: "lttb", connectNulls: false,
      showSymbol: points.length < 40, symbol: "circle", symbolSize: 5,
      lineStyle: { color: look.accent, width: 2 }, itemStyle: { color: look.accent },
      areaStyle: { color: look.soft, opacity: 0.45 },
      markLine: {
        silent: true, symbol: "none", animation: false, label: { show: false },
        lineStyle: { color: look.text, type: "dashed", width: 1, opacity: 0.55 },
        data: points[chosen] ? [{ xAxis: points[chosen].start }] : [],
      },
    }],
  }));
  const surface = chart.getZr();
  surface.off("click");
  surface.on("click", ({ offsetX, offsetY }) => {
    const at = chart.convertFromPixel({ gridIndex: 0 }, [offsetX, offsetY])[0];
    let nearest = 0;
    points.forEach((point, index) => {
      if (Math.abs(point.start - at) < Math.abs(points[nearest].start - at)) nearest = index;
    });
    if (points.length) onChoose(nearest);
  });
}
