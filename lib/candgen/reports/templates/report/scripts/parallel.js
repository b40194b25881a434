// Runs as lines across the parameters that differ; the last axis is the metric, which also colours them.
// Dragging along an axis keeps the runs inside that range; two fields do the same by keyboard.
cgExplorer.charts.push((explorer, section) => {
  const { told, columns, runs, make, labelled, choice, of, number } = explorer;
  const differing = columns.filter((column) => column.kind === "parameter");
  if (differing.length < 2) return null;
  const placed = runs.filter((run) => differing.some(({ name }) => of(run, name) !== null));
  const NONE = -0.14; // the height of runs without the parameter, below the axis
  const NEAR = 16; // pixels from an axis that still take hold of it

  // An axis turns values into heights from 0 to 1: numbers by size, texts one by one.
  const apart = (ticks) => {
    const kept = [];
    for (const tick of [...ticks].sort((a, b) => b[0] - a[0])) {
      if (!kept.length || kept.at(-1)[0] - tick[0] > 0.06) kept.push(tick);
    }
    return kept;
  };
  const axisOf = (column) => {
    const values = placed.map((run) => of(run, column.name)).filter((value) => value !== null);
    if (!column.numeric) {
      const texts = [...new Set(values)].sort();
      const height = (text) => (texts.length < 2 ? 0.5 : texts.indexOf(text) / (texts.length - 1));
      return { column, height, ticks: apart(texts.map((text) => [height(text), text])) };
    }
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const log = column.kind === "parameter" && low > 0 && high / low >= 20;
    const to = (value) => (log ? Math.log(value) : value);
    const size = to(high) - to(low) || 1;
    const height = (value) => (high === low ? 0.5 : (to(value) - to(low)) / size);
    const from = (at) => (log ? Math.exp(to(low) + at * size) : low + at * size);
    const distinct = [...new Set(values)].sort((a, b) => a - b);
    const even = [0, 0.25, 0.5, 0.75, 1].map((at) => [at, number(from(at), column.kind)]);
    const ticks = distinct.length > 6 ? even : distinct.map((value) => [height(value), number(value, column.kind)]);
    return { column, height, from, ticks: apart(ticks) };
  };
  const metric = explorer.column(told.metric);
  const axes = [...differing, ...(metric ? [metric] : [])].map(axisOf);
  const heightOf = (run, axis) => {
    const value = of(run, axis.column.name);
    return value === null ? NONE : axis.height(value);
  };

  let dragged = null; // the range that is being drawn
  const brushes = new Map(); // place of an axis -> [low, high] in heights
  const brush = (place, range, dragging = false) => {
    if (dragging) {
      dragged = { place, low: Math.min(...range), high: Math.max(...range) };
      return update();
    }
    dragged = null;
    const axis = axes[place];
    const name = `axis ${axis.column.name}`;
    if (range) {
      const [low, high] = [Math.min(...range), Math.max(...range)];
      brushes.set(place, [low, high]);
      explorer.ranges.set(name, (run) => {
        const height = heightOf(run, axis);
        return height >= low - 0.02 && height <= high + 0.02; // as far as a hand can aim
      });
    } else {
      brushes.delete(place);
      explorer.ranges.delete(name);
    }
    explorer.filter();
  };
  const cleared = explorer.cleared;
  explorer.cleared = () => {
    cleared?.();
    brushes.clear();
    for (const field of [low, high]) field.value = "";
  };

  const wide = make("div", { class: "cg-wide", tabindex: 0, role: "region", "aria-label": `Parameters of all runs, ${told.title}` });
  const box = make("div", { class: "cg-chart cg-brushed", role: "group" });
  box.style.minWidth = `${axes.length * 92}px`;
  wide.append(box);
  const [low, high] = [make("input", { type: "number", step: "any" }), make("input", { type: "number", step: "any" })];
  const limited = axes.map((axis, place) => ({ axis, place })).filter(({ axis }) => axis.from);
  const picked = choice(limited.map(({ axis, place }) => ({ value: String(place), label: axis.column.label })),
    String(limited[0]?.place ?? ""), () => { low.value = high.value = ""; }); // prettier-ignore
  const limit = () => {
    const place = Number(picked.value);
    const axis = axes[place];
    const end = (field, none) => (field.value === "" ? none : axis.height(Number(field.value)));
    const range = [end(low, -Infinity), end(high, Infinity)].map((at) => (Number.isNaN(at) ? NONE : at));
    const inside = [Math.max(range[0], 0), Math.min(range[1], 1)];
    brush(place, low.value === "" && high.value === "" ? null : inside[0] > inside[1] ? [2, 2] : inside);
  };
  for (const field of [low, high]) field.addEventListener("change", limit);
  const remark = make("p", { class: "cg-remark" },
    "Drag along an axis to keep the runs of a range; click on the axis to end it. Runs without a parameter stand below its axis."); // prettier-ignore
  section.append(make("h4", { class: "cg-heading" }, "Parameters that differ"), wide, remark);
  if (limited.length)
    section.append(make("div", { class: "cg-controls" },
      labelled("Keep a range of", picked), labelled("from", low), labelled("to", high))); // prettier-ignore

  let chart = null;
  const hold = (view) => {
    // Where the pointer is: the axis near it, if any, and its height.
    const place = (event) => {
      const { e: left, f: top } = box.querySelector("svg > g").getScreenCTM();
      const x = event.clientX - left;
      const scale = view.scale("x");
      const near = axes.findIndex((_, at) => Math.abs(scale(at) - x) <= NEAR);
      return { near, height: view.scale("y").invert(event.clientY - top) };
    };
    let start = null;
    box.onpointerdown = (event) => {
      const { near, height } = place(event);
      start = near < 0 || event.button ? null : { near, height, y: event.clientY };
    };
    box.onpointermove = (event) => {
      if (start && Math.abs(event.clientY - start.y) > 4) {
        event.preventDefault();
        if (!box.hasPointerCapture(event.pointerId)) box.setPointerCapture(event.pointerId);
        start.end = place(event).height;
        brush(start.near, [start.height, start.end], true);
      }
    };
    box.onpointercancel = () => (start = null);
    box.onpointerup = (event) => {
      if (start?.end !== undefined) brush(start.near, [start.height, start.end]);
      else if (start && brushes.has(start.near)) brush(start.near, null);
      start = null;
    };
  };

  const update = () => {
    const drawn = explorer.shown().filter((run) => placed.includes(run));
    const selected = explorer.selected();
    const ordered = drawn.filter((run) => run !== selected).concat(drawn.includes(selected) ? [selected] : []);
    const points = ordered.flatMap((run) =>
      axes.map((axis, place) => ({
        at: run.at, place, height: heightOf(run, axis), shade: metric ? of(run, told.metric) : null,
        strength: explorer.faded(run) ? 0.35 : 0.9, chosen: run === selected,
      })),
    ); // prettier-ignore
    const shades = drawn.map((run) => of(run, told.metric)).filter((value) => value !== null);
    const data = {
      axes: axes.map((axis, place) => ({ place, title: axis.column.label })),
      ticks: axes.flatMap((axis, place) => axis.ticks.map(([height, text]) => ({ place, height, text }))),
      points,
      brushes: [...brushes].map(([place, range]) => ({ place, low: range[0], high: range[1] }))
        .filter(({ place }) => place !== dragged?.place).concat(dragged ?? []),
    };
    const signals = {
      shades: ["low", "high"].map(cgCharts.colour), title: told.metric,
      reach: shades.length ? [Math.min(...shades), Math.max(...shades)] : [0, 1],
    }; // prettier-ignore
    box.setAttribute("aria-label", `${drawn.length} runs across ${axes.map((axis) => axis.column.label).join(", ")}. Arrow keys select a run.`);
    if (chart) return chart.set({ data, signals });
    chart = cgCharts.draw(box, "parallel", {
      data, signals,
      tip: (datum) => (datum.at === undefined ? null : explorer.tip(runs[datum.at])),
      ready: (view) => {
        hold(view);
        view.addEventListener("click", (_, item) => item?.datum?.at !== undefined && explorer.select(runs[item.datum.at]));
      },
    }); // prettier-ignore
  };
  cgExplorer.keys(box, explorer, () => explorer.shown());
  return update;
});
