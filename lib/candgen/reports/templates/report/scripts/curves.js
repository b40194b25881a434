// Learning curves: what was measured on validation after each epoch, one line a run that recorded it.
cgExplorer.charts.push((explorer, section) => {
  const { told, runs, make, labelled, choice, number } = explorer;
  const watched = new Map(); // metric -> number of runs
  for (const { curve } of runs) if (curve) watched.set(curve.metric, (watched.get(curve.metric) ?? 0) + 1);
  if (!watched.size) return null;
  let metric = [...watched].sort((a, b) => b[1] - a[1])[0][0];

  const box = make("div", { class: "cg-chart", role: "group" });
  const remark = make("p", { class: "cg-remark" });
  section.append(make("h4", { class: "cg-heading" }, "Learning curves"));
  if (watched.size > 1) {
    const options = [...watched.keys()].map((name) => ({ value: name, label: name }));
    const select = choice(options, metric, (name) => { metric = name; update(); }); // prettier-ignore
    section.append(make("div", { class: "cg-controls" }, labelled("Measured on validation", select)));
  }
  section.append(box, remark);

  const drawn = () => explorer.shown().filter((run) => run.curve?.metric === metric);
  let chart = null;
  const update = () => {
    const shown = drawn();
    const points = shown.flatMap((run) =>
      run.curve.points.map(([epoch, value]) => ({
        at: run.at, epoch, value, colour: explorer.colour(run),
        strength: explorer.faded(run) ? 0.35 : 1, chosen: run === explorer.selected(),
      })),
    ); // prettier-ignore
    const ends = shown.map((run) => {
      const last = run.curve.points.at(-1);
      const priority = run === explorer.selected() ? 1e6 : -run.at;
      return { at: run.at, label: run.name, epoch: last[0], value: last[1], priority, chosen: run === explorer.selected() };
    });
    const data = { points, ends };
    const signals = { title: `${metric} on validation` };
    box.setAttribute("aria-label", `${metric} on validation by epoch, ${shown.length} runs. Arrow keys select a run.`);
    const without = explorer.shown().length - shown.length;
    remark.textContent = `One line a run, measured while it was trained${without ? `; ${without} of the runs shown recorded no such curve` : ""}.`;
    if (chart) return chart.set({ data, signals });
    chart = cgCharts.draw(box, "curves", {
      data, signals,
      tip: (datum) => datum.at === undefined ? null : {
        title: runs[datum.at].name,
        lines: [["epoch", String(datum.epoch)], [metric, number(datum.value, "metric")], ...explorer.lines(runs[datum.at]).slice(0, 2)],
      },
      ready: (view) => view.addEventListener("click", (_, item) => item?.datum?.at !== undefined && explorer.select(runs[item.datum.at])),
    }); // prettier-ignore
  };
  cgExplorer.keys(box, explorer, drawn);
  return update;
});
