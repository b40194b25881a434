// Map of the items: hover names an item, a click or its title shows its nearest neighbours.
(() => {
  const { make, visible } = cgCharts;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const control = (text, inside) => make("label", { class: "cg-control" }, make("span", {}, text), inside);
  const projections = [["embedding", "neighbour embedding (t-SNE)"], ["components", "principal components (PCA)"]];
  const neutral = () => (dark.matches ? "#9aa5b1" : "#8a949e");

  const choice = (options, changed) => {
    const select = make("select", {}, ...options.map((text, place) => make("option", { value: place }, text)));
    select.addEventListener("change", () => changed(Number(select.value)));
    return select;
  };
  const number = (value) => (value === null ? "no value" : value.toLocaleString("en", { maximumFractionDigits: 4, useGrouping: false }));

  const open = ({ block, value: told }, nth) => {
    const { titles, columns, maps, palette } = told;
    const n = columns[0].values.length;
    const section = block.previousElementSibling;
    const byTitle = new Map(titles.slice(0, n).map((title, at) => [title, at]));
    let [map, projection, column] = [maps[0], projections[0][0], columns[0]];
    let selected = null;
    let zoom = 1;

    const value = (held, at) => {
      const found = held.values[at];
      if (!held.names) return number(found);
      return found === null ? "other or none" : held.names[found];
    };
    const isPlaced = (at) => at < n && map[projection][0][at] !== null;

    // Colours: categories have one each, numbers a scale from dark to light that stands out on the paper.
    const shade = (t) => vega.scheme("viridis")(dark.matches ? 0.3 + 0.7 * t : 0.88 * t);
    const scaleOf = (held) => {
      const known = held.values.filter((one) => one !== null);
      const to = held.log ? Math.log1p : (one) => one;
      const [low, high] = [Math.min(...known), Math.max(...known)];
      const span = to(high) - to(low) || 1;
      return { low, high, colour: (one) => (one === null ? neutral() : shade((to(one) - to(low)) / span)) };
    };
    const colourOf = (held) => {
      if (!held.names) return scaleOf(held).colour;
      return (place) => (place === null ? neutral() : visible(palette[place]));
    };

    const rows = () => {
      const colour = colourOf(column);
      const near = new Set(selected === null ? [] : map.near[selected]);
      const [xs, ys] = map[projection];
      const made = [];
      for (let at = 0; at < n; at++) {
        if (xs[at] === null) continue;
        const close = at === selected || near.has(at);
        made.push({
          at, x: xs[at], y: ys[at], colour: colour(column.values[at]),
          size: at === selected ? 150 : close ? 90 : 34,
          strength: selected === null ? (column.values[at] === null ? 0.45 : 0.8) : close ? 1 : 0.28,
          ring: at === selected, over: at === selected ? 2 : close ? 1 : 0,
        }); // prettier-ignore
      }
      return made.sort((a, b) => a.over - b.over);
    };
    const around = () => (selected === null || !isPlaced(selected) ? [] : map.near[selected].filter(isPlaced));
    const lines = () => {
      const [xs, ys] = map[projection];
      return around().map((at) => ({ x: xs[selected], y: ys[selected], x2: xs[at], y2: ys[at] }));
    };
    const short = (text) => (text.length > 30 ? `${text.slice(0, 29)}…` : text);
    const names = () => {
      const [xs, ys] = map[projection];
      const shown = selected === null || !isPlaced(selected) ? [] : [selected, ...around()];
      return shown.map((at, place) => ({ x: xs[at], y: ys[at], text: short(titles[at]), weight: place ? "normal" : "bold" }));
    };
    const signals = () => {
      const placed = selected !== null && isPlaced(selected);
      const [cx, cy] = placed && zoom > 1 ? map[projection].map((axis) => axis[selected]) : [0, 0];
      return { zoom, cx, cy, lineInk: cgCharts.colour("soft"), ringInk: cgCharts.colour("link"), edgeInk: cgCharts.colour("paper") };
    };

    // Controls
    const search = make("input", { type: "search", list: `cg-titles-${nth}`, autocomplete: "off", spellcheck: "false" });
    const offered = make("datalist", { id: `cg-titles-${nth}` }, ...titles.slice(0, n).map((title) => make("option", { value: title })));
    const button = (text, pressed) => {
      const made = make("button", { type: "button" }, text);
      made.addEventListener("click", pressed);
      return made;
    };
    const clear = button("Clear", () => select(null));
    const controls = make("div", { class: "cg-controls" },
      control("Run", choice(maps.map(({ name }) => name), (place) => { map = maps[place]; update(); })),
      control("Projection", choice(projections.map(([, text]) => text), (place) => { projection = projections[place][0]; update(); })),
      control("Colour", choice(columns.map(({ name }) => name), (place) => { column = columns[place]; update(); })),
      control("Find a title", search), offered, clear,
    ); // prettier-ignore
    const box = make("div", { class: "cg-chart", role: "img" });
    const legend = make("ul", { class: "cg-legend" });
    const zooms = make("div", { class: "cg-zooms" },
      button("Zoom in", () => { zoom = Math.min(16, zoom * 2); update(); }),
      button("Zoom out", () => { zoom = Math.max(1, zoom / 2); update(); })); // prettier-ignore
    const details = make("div", { class: "cg-neighbours", role: "status" });
    const remark = make("p", { class: "cg-remark" });
    section.append(controls, make("div", { class: "cg-around" }, make("div", {}, box, zooms, legend, remark), details));

    const select = (at) => {
      selected = at;
      search.value = at === null ? "" : titles[at];
      if (at === null) zoom = 1;
      update();
    };
    const look = (strict) => {
      const typed = search.value.trim();
      if (byTitle.has(typed)) return select(byTitle.get(typed));
      if (!strict) return;
      if (!typed) return select(null);
      const low = typed.toLowerCase();
      const shown = titles.slice(0, n).map((title) => title.toLowerCase());
      const found = [shown.findIndex((title) => title.startsWith(low)), shown.findIndex((title) => title.includes(low))].find((at) => at >= 0);
      if (found !== undefined) return select(found);
      selected = null;
      update();
      details.replaceChildren(make("p", {}, `No title on the map contains “${typed}”.`));
    };
    search.addEventListener("input", () => look(false));
    search.addEventListener("change", () => look(true));

    const describe = () => {
      clear.disabled = selected === null;
      if (selected === null) {
        details.replaceChildren(make("p", {}, "Click an item, or find its title, to see its nearest neighbours."));
        return;
      }
      const near = map.near[selected];
      const facts = columns.map((held) => [held.name, value(held, selected)]).slice(-8);
      const list = near.map((at, place) => {
        const name = isPlaced(at) ? button(titles[at], () => select(at)) : make("span", { title: "not on the map" }, titles[at]);
        return make("li", {}, name, " ", make("small", {}, (map.cosines[selected][place] / 100).toFixed(2)));
      });
      details.replaceChildren(
        make("h4", {}, titles[selected]),
        make("p", { class: "cg-remark" }, facts.map(([name, text]) => `${name}: ${text}`).join(" · ")),
        near.length ? make("p", {}, `Nearest neighbours, with the cosine of the vectors.${near.every(isPlaced) ? "" : " Those without a link are not on the map."}`) : make("p", {}, "This run has no vector of this item."),
        make("ol", {}, ...list),
      ); // prettier-ignore
    };
    const swatch = (background) => {
      const made = make("i", { class: "cg-swatch" });
      made.style.background = background;
      return made;
    };
    const explain = () => {
      const colour = colourOf(column);
      if (column.names) {
        const rest = column.values.includes(null) ? [[null, "other or none"]] : [];
        const entries = [...column.names.map((name, place) => [place, name]), ...rest];
        legend.replaceChildren(...entries.map(([place, name]) => make("li", {}, swatch(colour(place)), name)));
      } else {
        const { low, high } = scaleOf(column);
        const bar = make("i", { class: "cg-bar" });
        bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(shade).join(", ")})`;
        const said = column.log ? `${number(high)}, logarithmic` : number(high);
        legend.replaceChildren(make("li", {}, number(low), bar, said));
      }
      const drawn = map[projection][0].filter((x) => x !== null).length;
      remark.textContent =
        projection === "components"
          ? `The two directions hold ${map.shares[0]} % and ${map.shares[1]} % of the variance.`
          : "Near items are alike. Distances between far groups mean little, and the directions mean nothing.";
      if (drawn < n) remark.textContent += ` ${(n - drawn).toLocaleString("en")} items have no vector in this run.`;
      const named = projections.find(([key]) => key === projection)[1];
      box.setAttribute("aria-label", `Map of ${drawn.toLocaleString("en")} items of ${map.name}, ${named}, coloured by ${column.name}. Find a title to see its neighbours.`);
    };

    let chart = null;
    const update = () => {
      describe();
      explain();
      const shown = { data: { points: rows(), lines: lines(), names: names() }, signals: signals() };
      if (chart) return chart.set(shown);
      chart = cgCharts.draw(box, "map", {
        ...shown,
        tip: (datum) => {
          if (datum.at === undefined) return null;
          const named = [...new Set([column, columns.at(-1)])];
          return { title: titles[datum.at], lines: named.map((held) => [held.name, value(held, datum.at)]) };
        },
        ready: (view) => view.addEventListener("click", (_, item) => {
          const at = item?.datum?.at;
          select(at === undefined || at === selected ? null : at);
        }),
      }); // prettier-ignore
    };
    dark.addEventListener("change", update);
    section.nextElementSibling.nextElementSibling?.classList.add("cg-replaced");
    update();
  };
  cgCharts.blocks("map").forEach(open);
})();
