// Runs as points: any two of metrics, costs and numeric parameters against each other.
cgExplorer.charts.push((explorer, section) => {
  const { told, columns, runs, make, labelled, choice, of, ends } = explorer;
  const kinds = { metric: "metrics", cost: "costs", parameter: "parameters" };
  const numeric = columns.filter((column) => column.numeric);
  const options = numeric.map(({ name, label, kind, meaning }) => ({ value: name, label, group: kinds[kind], title: meaning }));
  if (numeric.length < 2) return null;
  let y = told.metric;
  let x = told.cost ?? numeric.find(({ name }) => name !== y).name;
  let fit = "most";

  // Costs and parameters of very different sizes need a logarithmic axis.
  const isLog = (name) => {
    const values = runs.map((run) => of(run, name)).filter((value) => value !== null);
    const above = values.filter((value) => value > 0);
    if (explorer.column(name).kind === "metric" || above.length < 2 || values.some((value) => value < 0)) return false;
    return Math.max(...above) / Math.min(...above) >= 20;
  };
  // Zero has no place on a logarithmic axis: it stands at the left end of what is above zero.
  const scaleOf = (name) => {
    const log = isLog(name);
    const least = Math.min(...runs.map((run) => of(run, name)).filter((value) => value > 0));
    const to = (value) => (log ? Math.log10(Math.max(value, least / 2)) : value);
    return { log, to, from: (value) => (log ? 10 ** value : value) };
  };

  // Reference lists such as random may lie far from all models. They stretch the axis a little at most,
  // unless all runs are asked for; what lies outside stands at the edge as a triangle.
  const domainOf = (name, shown, scale, withEnds) => {
    const reach = (run) => {
      const interval = withEnds ? ends(run, name) : null;
      return [of(run, name), ...(interval ?? [])].filter((value) => value !== null).map(scale.to);
    };
    const models = shown.filter((run) => !run.reference);
    const core = fit === "all" || models.length < 2 ? shown : models;
    let values = core.flatMap(reach);
    const room = 0.6 * (Math.max(...values) - Math.min(...values));
    const [low, high] = [Math.min(...values) - room, Math.max(...values) + room];
    values = values.concat(shown.flatMap(reach).filter((value) => value >= low && value <= high));
    const [first, last] = [Math.min(...values), Math.max(...values)];
    const pad = 0.06 * (last - first) || 0.05 * Math.abs(last) || 0.5;
    return [first - pad, last + pad];
  };

  const rows = (shown) => {
    const [across, up] = [scaleOf(x), scaleOf(y)];
    const domains = [domainOf(x, shown, across, false), domainOf(y, shown, up, true)];
    const placed = shown.map((run) => {
      const at = [across.to(of(run, x)), up.to(of(run, y))];
      const kept = at.map((value, i) => Math.min(Math.max(value, domains[i][0]), domains[i][1]));
      const shape = at[1] < kept[1] ? "triangle-down" : at[1] > kept[1] ? "triangle-up"
        : at[0] < kept[0] ? "triangle-left" : at[0] > kept[0] ? "triangle-right" : "circle"; // prettier-ignore
      const arrow = { "triangle-down": " ↓", "triangle-up": " ↑", "triangle-left": " ←", "triangle-right": " →" }[shape] ?? "";
      const interval = (name, scale) => (ends(run, name) ?? [of(run, name), of(run, name)]).map((end) => scale.from(scale.to(end)));
      const [x1, x2] = interval(x, across);
      const [y1, y2] = interval(y, up);
      return {
        at: run.at, label: run.name + arrow, x: across.from(kept[0]), y: up.from(kept[1]), x1, x2, y1, y2, shape,
        colour: explorer.colour(run), strength: explorer.faded(run) ? 0.4 : 1, chosen: run === explorer.selected(),
        priority: (run === explorer.selected() ? 2e6 : 0) + (run.reference ? 1e6 : 0) - run.at,
      }; // prettier-ignore
    });
    return { placed, x: domains[0].map(across.from), y: domains[1].map(up.from) };
  };

  const box = make("div", { class: "cg-chart", role: "group" });
  const remark = make("p", { class: "cg-remark" });
  const controls = make("div", { class: "cg-controls" },
    labelled("Upwards", choice(options, y, (name) => { y = name; update(true); })),
    labelled("To the right", choice(options, x, (name) => { x = name; update(true); })),
    labelled("Axes fit", choice([
      { value: "most", label: "the models (far reference lists at the edge)" },
      { value: "all", label: "all runs" },
    ], fit, (chosen) => { fit = chosen; update(); }))); // prettier-ignore
  section.append(controls, box, remark);

  let chart = null;
  const known = () => explorer.shown().filter((run) => of(run, x) !== null && of(run, y) !== null);
  cgExplorer.keys(box, explorer, () => known().sort((a, b) => of(a, x) - of(b, x)));
  const adjust = (specification) => {
    for (const { name, type } of [{ name: "x", type: isLog(x) }, { name: "y", type: isLog(y) }]) {
      specification.scales.find((scale) => scale.name === name).type = type ? "log" : "linear";
    }
  };
  const update = (anew = false) => {
    const shown = known();
    const [across, up] = [x, y].map(explorer.column);
    const found = shown.length ? rows(shown) : { placed: [], x: [0, 1], y: [0, 1] };
    // From two powers of ten on, a logarithmic axis names the powers alone.
    const ticks = (name, [first, last], most) => {
      const powers = Math.floor(Math.log10(last / first));
      return isLog(name) ? (powers < 2 ? 10 : Math.min(most, powers)) : most;
    };
    const signals = {
      xTitle: across.label, yTitle: up.label, xDomain: found.x, yDomain: found.y,
      xTicks: ticks(x, found.x, box.clientWidth / 90), yTicks: ticks(y, found.y, 6),
    }; // prettier-ignore
    const data = { points: found.placed };
    box.setAttribute("aria-label", `${shown.length} runs, ${up.label} against ${across.label}. Arrow keys select a run.`);
    const lacking = explorer.shown().filter((run) => !shown.includes(run)).map((run) => run.name);
    const off = found.placed.filter((row) => row.shape !== "circle").map((row) => runs[row.at].name);
    remark.textContent = [
      lacking.length ? `Not drawn, because a value is missing: ${few(lacking)}.` : "",
      off.length ? `At the edge, because they lie beyond the axes: ${few(off)}.` : "",
    ].join(" ").trim(); // prettier-ignore
    if (!chart) {
      chart = cgCharts.draw(box, "scatter", {
        data, signals, adjust,
        tip: (datum) => datum.at === undefined ? null : { title: runs[datum.at].name, lines: explorer.lines(runs[datum.at], [y, x]) },
        ready: (view) => view.addEventListener("click", (_, item) => item?.datum?.at !== undefined && explorer.select(runs[item.datum.at])),
      }); // prettier-ignore
    } else chart.set({ data, signals, anew });
  };
  const few = (names) => names.slice(0, 8).join(", ") + (names.length > 8 ? ` and ${names.length - 8} more` : "");
  return () => update();
});
