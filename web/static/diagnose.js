// The plots of the diagnosis, drawn by Apache ECharts. Pointer and arrow keys
// tell the values of a point below its plot.

const diagnosis = JSON.parse(document.querySelector("#diagnosis").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function colour(role) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + role).trim();
}

// digits writes a number with three significant digits.
function digits(x) {
  return Number(x.toPrecision(3)).toString().replace("-", "−");
}

function between(interval) {
  return interval ? ` (${digits(interval.lo)} to ${digits(interval.hi)})` : "";
}

function images(p) {
  return `images ${p.from}–${p.to}: `;
}

// An own line of a plot.
function line(name, data, role, more) {
  return { name, type: "line", data, symbolSize: 5, lineStyle: { width: 2 }, itemStyle: { color: colour(role) }, silent: true, animation: false, ...more };
}

// A band between the ends of intervals: the lower end is drawn by nothing, and
// what is stacked on it is filled.
function band(points, interval) {
  const have = points.filter((p) => interval(p));
  const nothing = { lineStyle: { opacity: 0 }, symbol: "none", stack: "band" };
  return [
    line("from", have.map((p) => [p.to, interval(p).lo]), "accent", nothing),
    line("to", have.map((p) => [p.to, interval(p).hi - interval(p).lo]), "accent", { ...nothing, areaStyle: { color: colour("accent"), opacity: 0.18 } }),
  ];
}

// median of what the images of a window have, or null.
function median(values) {
  const v = values.toSorted((a, b) => a - b);
  return v.length ? (v[(v.length - 1) >> 1] + v[v.length >> 1]) / 2 : null;
}

const near = diagnosis.nearest;
const nearest = near.at.map((at, i) => ({ to: at, value: near.distance[i] }));
const medians = diagnosis.curve
  .map((p) => [p.to, median(nearest.filter((q) => q.to >= p.from && q.to <= p.to).map((q) => q.value))])
  .filter((p) => p[1] !== null);

// What each plot draws, and what it tells of a point.
const kinds = {
  spread: {
    points: diagnosis.curve, y: (p) => p.mean,
    lines: (points) => [...band(points, (p) => p.interval), line("mean", points.map((p) => [p.to, p.mean]), "accent")],
    tell: (p) => images(p) + digits(p.mean) + between(p.interval),
  },
  nearest: {
    points: nearest, y: (p) => p.value,
    lines: (points) => [
      line("distance", points.map((p) => [p.to, p.value]), "quiet", { lineStyle: { opacity: 0 }, symbolSize: 4, showAllSymbol: true, itemStyle: { color: colour("quiet"), opacity: 0.6 } }),
      line("median", medians, "accent"),
    ],
    tell: (p) => `image ${p.to}: ${digits(p.value)} from the nearest of the ${near.lookback} before it`,
  },
  vendi: {
    points: diagnosis.curve, y: (p) => p.vendi,
    lines: (points) => [...band(points, (p) => p.vendi_interval), line("Vendi", points.map((p) => [p.to, p.vendi]), "accent")],
    tell: (p) => images(p) + digits(p.vendi) + between(p.vendi_interval),
  },
  entropy: {
    points: diagnosis.curve, y: (p) => p.entropy,
    lines: (points) => [
      line("of the window", points.map((p) => [p.to, p.entropy]), "accent"),
      line("of all so far", points.map((p) => [p.to, p.entropy_so_far]), "warm", { lineStyle: { type: "dashed", width: 2 } }),
    ],
    tell: (p) => `${images(p)}${digits(p.entropy)}, of all so far ${digits(p.entropy_so_far)} in ${p.cells_so_far} cells`,
  },
};

function options(kind, at) {
  const text = { color: colour("quiet"), fontSize: 12, fontFamily: getComputedStyle(document.body).fontFamily };
  const rule = { lineStyle: { color: colour("line") } };
  const p = kind.points[at];
  return {
    animation: false,
    grid: { left: 8, right: 16, top: 14, bottom: 26, containLabel: true },
    xAxis: { type: "value", name: "image", nameLocation: "middle", nameGap: 26, nameTextStyle: text, min: 1, max: diagnosis.images, minInterval: 1, axisLabel: { ...text, hideOverlap: true, showMaxLabel: true }, axisLine: rule, splitLine: { show: false } },
    yAxis: { type: "value", scale: true, axisLabel: { ...text, formatter: digits }, splitLine: rule, splitNumber: 4 },
    series: [
      ...kind.lines(kind.points),
      line("here", p ? [[p.to, kind.y(p)]] : [], "ink", { symbol: "circle", symbolSize: 11, z: 9, itemStyle: { color: colour("ground"), borderColor: colour("ink"), borderWidth: 2 } }),
    ],
  };
}

function draw(figure) {
  const kind = kinds[figure.dataset.plot];
  const box = figure.querySelector(".chart");
  const told = figure.querySelector(".point");
  const chart = echarts.init(box, null, { renderer: "canvas" });
  let at = -1;
  const paint = () => chart.setOption(options(kind, at), { notMerge: true });
  const go = (to) => {
    to = Math.max(0, Math.min(kind.points.length - 1, to));
    if (to === at) return;
    at = to;
    told.textContent = kind.tell(kind.points[at]);
    paint();
  };
  chart.getZr().on("mousemove", (event) => {
    const [x] = chart.convertFromPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY]);
    let best = 0;
    kind.points.forEach((p, i) => {
      if (Math.abs(p.to - x) < Math.abs(kind.points[best].to - x)) best = i;
    });
    go(best);
  });
  box.addEventListener("keydown", (event) => {
    const n = kind.points.length;
    const to = { ArrowLeft: at < 0 ? n - 1 : at - 1, ArrowRight: at + 1, Home: 0, End: n - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(to);
  });
  new ResizeObserver(() => chart.resize()).observe(box);
  dark.addEventListener("change", paint);
  paint();
  told.textContent = kind.tell(kind.points.at(-1));
  figure.dataset.state = "drawn";
}

for (const figure of document.querySelectorAll("figure.plot")) draw(figure);
