// The explorer: one for each dataset. It keeps which runs are shown and which one is selected, and
// tells its charts and the tables of the page. A chart is a function of the explorer that returns
// what to do when something changed.
const cgExplorer = (() => {
  const { make, visible } = cgCharts;
  const charts = [];

  const number = (value, kind) => {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (kind === "metric") return value.toFixed(4);
    return value.toLocaleString("en", { maximumSignificantDigits: 4 });
  };

  // A label and a control below it.
  const labelled = (text, control) => make("label", { class: "cg-control" }, make("span", {}, text), control);

  const choice = (options, chosen, changed) => {
    const select = make("select");
    const groups = new Map();
    for (const { value, label, group, title } of options) {
      if (group && !groups.has(group)) {
        groups.set(group, make("optgroup", { label: group }));
        select.append(groups.get(group));
      }
      (group ? groups.get(group) : select).append(make("option", { value, title: title || null }, label));
    }
    select.value = chosen;
    select.addEventListener("change", () => changed(select.value));
    return select;
  };

  const open = ({ block, value: told }) => {
    const { columns, runs } = told;
    const place = new Map(columns.map((column, at) => [column.name, at]));
    runs.forEach((run, at) => (run.at = at));
    const hidden = new Set();
    const ranges = new Map(); // a column's name -> whether a run lies in the range chosen for it
    const updates = [];
    let text = "";
    let selected = null;

    const explorer = {
      told, columns, runs, ranges, number, make, labelled, choice,
      of: (run, name) => run.values[place.get(name)],
      ends: (run, name) => run.ends[place.get(name)],
      column: (name) => columns[place.get(name)],
      selected: () => selected,
      shown: () => runs.filter(isShown),
      faded: (run) => selected !== null && run !== selected,
      colour: (run) => visible(run.colour),
      select: (run) => {
        selected = run === selected ? null : run;
        update();
      },
      filter: () => update(),
      tip: (run) => ({ title: run.name, lines: lines(run) }),
    };

    const isShown = (run) =>
      !hidden.has(run.generator) &&
      (run.name + " " + run.generator).toLowerCase().includes(text) &&
      [...ranges.values()].every((holds) => holds(run));

    const withEnds = (run, { name, kind }) => {
      const ends = explorer.ends(run, name);
      const value = number(explorer.of(run, name), kind);
      return ends ? `${value} (${number(ends[0], kind)} to ${number(ends[1], kind)})` : value;
    };
    const lines = (run, more = []) => {
      const first = [told.metric, ...more, told.cost].filter((name) => place.has(name));
      const named = [...new Set(first)].map((name) => explorer.column(name));
      const parameters = columns.filter((c) => c.kind === "parameter" && explorer.of(run, c.name) !== null);
      const values = [...named, ...parameters.slice(0, 12)].map((c) => [c.label, withEnds(run, c)]);
      return [["generator", run.generator], ...values];
    };
    explorer.lines = lines;

    // Controls
    const section = block.closest("section");
    section.querySelector(".cg-without-script").hidden = true;
    const generators = [...new Set(runs.map((run) => run.generator))].sort();
    const boxes = generators.map((name) => {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => {
        if (box.checked) hidden.delete(name);
        else hidden.add(name);
        update();
      });
      const run = runs.find((one) => one.generator === name);
      const swatch = make("i", { class: "cg-swatch" });
      const paint = () => (swatch.style.background = visible(run.colour));
      return { name, box, paint, label: make("label", { class: "cg-tick" }, box, swatch, name) };
    });
    const search = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    search.addEventListener("input", () => {
      text = search.value.trim().toLowerCase();
      update();
    });
    const count = make("output", { class: "cg-shown", "aria-live": "polite" });
    const all = make("button", { type: "button" }, "Show all");
    all.addEventListener("click", () => {
      hidden.clear();
      ranges.clear();
      text = search.value = "";
      for (const { box } of boxes) box.checked = true;
      explorer.cleared?.();
      update();
    });
    const options = [{ value: "", label: "none" }, ...runs.map((r) => ({ value: String(r.at), label: r.name }))];
    const picked = choice(options, "", (at) => {
      selected = at === "" ? null : runs[Number(at)];
      update();
    });
    const details = make("div", { class: "cg-picked", "aria-live": "polite" });
    section.append(
      make("fieldset", { class: "cg-controls" },
        make("legend", {}, "Generators"), ...boxes.map(({ label }) => label)),
      make("div", { class: "cg-controls" },
        labelled("Name contains", search), labelled("Selected run", picked),
        make("span", { class: "cg-counted" }, count, all)),
      details,
    ); // prettier-ignore

    const describe = () => {
      details.hidden = !selected;
      if (!selected) return details.replaceChildren();
      const parts = lines(selected).map(([name, value]) => make("span", {}, make("b", {}, name), ` ${value}`));
      const link = selected.link ? [make("a", { href: selected.link }, "Open its page")] : [];
      details.replaceChildren(make("strong", {}, selected.name), ...parts, ...link);
    };

    // Rows of the page's tables that belong to these runs.
    const known = new Map(runs.map((run) => [run.key, run]));
    const rows = [...document.querySelectorAll("tr[data-run]")].filter((row) => known.has(row.dataset.run));
    const captions = new Map();
    for (const row of rows) {
      const table = row.closest("table");
      if (!captions.has(table)) captions.set(table, { rows: [], told: null });
      captions.get(table).rows.push(row);
    }
    const mark = () => {
      for (const row of rows) {
        const run = known.get(row.dataset.run);
        row.hidden = !isShown(run);
        row.classList.toggle("cg-selected", run === selected);
      }
      for (const [table, held] of captions) {
        held.told ??= table.caption.appendChild(make("b", { class: "cg-rows-hidden" }));
        const n = held.rows.filter((row) => row.hidden).length;
        held.told.textContent = n ? ` · ${n} ${n === 1 ? "row" : "rows"} hidden under “Explore the runs”` : "";
      }
    };

    // What is being used stays where it is in the window, though rows above it come and go.
    const update = () => {
      const focused = document.activeElement;
      const used = section.querySelector(".cg-chart:hover") ?? (section.contains(focused) ? focused : section);
      const before = used.getBoundingClientRect().top;
      renew();
      const moved = used.getBoundingClientRect().top - before;
      if (moved) scrollBy({ top: moved, behavior: "instant" });
    };

    const renew = () => {
      if (selected && !isShown(selected)) selected = null;
      const n = explorer.shown().length;
      count.textContent = `${n} of ${runs.length} runs shown`;
      all.disabled = n === runs.length;
      picked.value = selected ? String(selected.at) : "";
      for (const option of picked.options) option.disabled = option.value !== "" && !isShown(runs[option.value]);
      describe();
      mark();
      for (const changed of updates) changed();
    };

    const repaint = () => boxes.forEach(({ paint }) => paint());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      repaint();
      update();
    });
    repaint();
    for (const chart of charts) {
      const changed = chart(explorer, section);
      if (changed) updates.push(changed);
    }
    update();
  };

  // Escape ends a selection; arrow keys go from run to run in the order that a chart gives.
  const keys = (box, explorer, inOrder) => {
    box.tabIndex = 0;
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const now = explorer.selected();
      if (event.key === "Escape" && now) explorer.select(now);
      if (!step) return;
      event.preventDefault();
      const order = inOrder();
      const next = now ? order.indexOf(now) + step : step > 0 ? 0 : order.length - 1;
      if (order[next] && order[next] !== now) explorer.select(order[next]);
    });
  };

  return { charts, keys, start: () => cgCharts.blocks("runs").forEach(open) };
})();
