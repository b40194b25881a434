// Draws Vega specifications from data blocks. Values from data stay data: they enter a chart as rows
// with fixed field names and the page as text, never as markup, expressions or names of fields.
const cgCharts = (() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();

  // The data blocks of a kind inside an element: [{ block, value }].
  const blocks = (kind, root = document) =>
    [...root.querySelectorAll("script.cg-data")]
      .filter((block) => block.dataset.kind === kind)
      .map((block) => ({ block, value: JSON.parse(block.textContent) }));

  // Make an element: text and children are appended as they are, attributes are set by name.
  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const contrast = (a, b) => {
    const [high, low] = [luminance(rgb(a)), luminance(rgb(b))].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  // A generator's colour as it can be seen: on dark paper it is mixed with white until it stands out.
  const visible = (hex) => {
    if (!dark.matches) return hex;
    for (let white = 0; white < 1; white += 0.1) {
      const mixed = rgb(hex).map((c) => Math.round(c + white * (255 - c)).toString(16).padStart(2, "0"));
      if (contrast(`#${mixed.join("")}`, colour("paper")) >= 4.5) return `#${mixed.join("")}`;
    }
    return "#ffffff";
  };

  const look = () => {
    const [ink, soft, rule] = ["ink", "soft", "rule"].map(colour);
    const font = getComputedStyle(document.body).fontFamily;
    const text = { labelColor: soft, titleColor: ink, labelFont: font, titleFont: font };
    const sizes = { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
    return {
      background: null,
      axis: { ...text, ...sizes, domainColor: soft, gridColor: rule, tickColor: soft, labelOverlap: true },
      legend: { ...text, ...sizes },
      title: { color: ink, font, fontSize: 12, fontWeight: "normal", anchor: "start" },
      text: { fill: ink, font, fontSize: 12 },
    };
  };

  // One note for all charts, which says what is under the pointer: a title and lines of name and value.
  const note = make("div", { class: "cg-tip", role: "tooltip", hidden: true });
  const tell = (told, x, y) => {
    note.hidden = !told;
    if (!told) return;
    const lines = (told.lines ?? []).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
    note.replaceChildren(make("strong", {}, told.title ?? ""), make("dl", {}, ...lines));
    if (!note.isConnected) document.body.append(note);
    const { width, height } = note.getBoundingClientRect();
    note.style.left = `${Math.max(4, Math.min(x + 14, document.documentElement.clientWidth - width - 4))}px`;
    note.style.top = `${y + 18 + height > innerHeight ? Math.max(4, y - height - 10) : y + 18}px`;
  };

  // Draw a specification, by its name, into an element as wide as that; returns a handle.
  //   data     name of a data set in the specification -> rows
  //   signals  name of a signal -> value
  //   tip      (datum) => { title, lines: [[name, value]] } or null, shown under the pointer
  //   ready    (view) => void, called whenever the chart was made anew: add event listeners here
  //   The signals softColour, linkColour and paperColour hold colours of the page.
  //   adjust   (specification) => void, changes what signals cannot: the type of a scale
  // handle.set({ data, signals, anew }) changes what is shown, `anew` with `adjust` called again;
  // handle.view is Vega's view, null until the element has a width.
  const draw = (box, name, { data = {}, signals = {}, tip = null, ready = null, adjust = null } = {}) => {
    const state = { data, signals };
    const handle = { view: null };
    const inside = box.appendChild(make("div", { "aria-hidden": "true" })); // the box has the label
    const fill = (changed) => {
      for (const [set, rows] of Object.entries(changed.data ?? {})) handle.view.data(set, rows);
      for (const [signal, value] of Object.entries(changed.signals ?? {})) handle.view.signal(signal, value);
    };
    handle.redraw = () => {
      handle.view?.finalize();
      const specification = structuredClone(cgSpecifications[name]);
      specification.signals.push(...["soft", "link", "paper"].map((n) => ({ name: `${n}Colour`, value: colour(n) })));
      adjust?.(specification);
      const parsed = vega.parse(specification, look(), { ast: true });
      const shown = { renderer: "svg", expr: vega.expressionInterpreter, hover: true };
      handle.view = new vega.View(parsed, shown);
      handle.view.tooltip((_, event, item, value) => {
        tell(event && tip && value ? tip(item.datum) : null, event?.clientX, event?.clientY);
      });
      fill(state);
      handle.view.initialize(inside).width(box.clientWidth);
      ready?.(handle.view);
      handle.view.run();
    };
    handle.set = (changed) => {
      Object.assign(state.data, changed.data ?? {});
      Object.assign(state.signals, changed.signals ?? {});
      if (!handle.view) return;
      if (changed.anew) return handle.redraw();
      fill(changed);
      handle.view.run();
    };
    // A chart in a folded or empty box is drawn when the box has a width.
    let width = 0;
    new ResizeObserver(() => {
      if (!box.clientWidth || box.clientWidth === width) return;
      width = box.clientWidth;
      if (handle.view) handle.view.width(width).run();
      else handle.redraw();
    }).observe(box);
    drawn.add(handle);
    return handle;
  };

  dark.addEventListener("change", () => drawn.forEach((handle) => handle.view && handle.redraw()));
  addEventListener("scroll", () => tell(null), { passive: true });
  addEventListener("keydown", (event) => event.key === "Escape" && tell(null));
  return { blocks, make, colour, visible, tell, draw };
})();
