// Pick a user and two rows: history, held-out items and both lists side by side.
(() => {
  const { make } = cgCharts;
  const control = (text, inside) => make("label", { class: "cg-control" }, make("span", {}, text), inside);
  const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

  const open = ({ block, value: told }, nth) => {
    const { users, rows, titles } = told;
    const section = block.previousElementSibling;
    const byId = new Map(users.map((user, at) => [user.id, at]));
    let [at, ...sides] = told.start;
    if (rows.length === 1) sides = [0];

    // Controls
    const known = make("datalist", { id: `cg-ids-${nth}` }, ...users.map((user) => make("option", { value: user.id })));
    const id = make("input", { list: known.id, autocomplete: "off", spellcheck: "false", value: users[at].id, size: 14 });
    const step = (text, by) => {
      const button = make("button", { type: "button" }, text);
      button.addEventListener("click", () => show((at + by + users.length) % users.length));
      return button;
    };
    const choices = sides.map((chosen, side) => {
      const select = make("select", {}, ...rows.map((name, place) => make("option", { value: place }, name)));
      select.value = chosen;
      select.addEventListener("change", () => {
        sides[side] = Number(select.value);
        show(at);
      });
      return control(["First list", "Second list"][side], select);
    });
    const said = make("p", { class: "cg-said", role: "status" });
    const shown = make("div", { class: "cg-shown-user" });

    // A row that names the shown items, the newest first where they are a history.
    const items = (heading, places, n) => {
      const more = n > places.length ? [make("li", { class: "cg-more" }, `… and ${n - places.length} more`)] : [];
      const list = make("ol", { tabindex: 0, "aria-label": heading }, ...places.map((place) => make("li", {}, titles[place])), ...more);
      return make("div", {}, make("h4", {}, heading), places.length ? list : make("p", {}, "none"));
    };

    const table = (user) => {
      const lists = sides.map((row) => user.lists[row].map((place) => ({ item: place < 0 ? -1 - place : place, hit: place < 0 })));
      const own = lists.map((list) => new Set(list.map(({ item }) => item)));
      const both = sides.length < 2 ? new Set() : new Set([...own[0]].filter((item) => own[1].has(item)));
      const head = sides.map((row, side) => {
        const value = user.values[row];
        const hits = lists[side].filter(({ hit }) => hit).length;
        const measured = value === null ? "not judged" : `${told.metric} ${value.toFixed(4)}`;
        const found = `${hits} of ${count(user.m, "held-out item", "held-out items")} among these ${lists[side].length}`;
        return make("th", { scope: "col" }, rows[row], make("small", {}, `${measured}\n${found}`));
      });
      const cell = (entry) => {
        if (!entry) return make("td", {});
        const marks = [];
        if (entry.hit) marks.push("\u00a0", make("span", { class: "cg-mark", title: "held out" }, "✓"));
        if (both.has(entry.item)) marks.push("\u00a0", make("span", { class: "cg-both", title: "in both lists" }, "⇄"));
        return make("td", { class: entry.hit ? "cg-hit" : null }, titles[entry.item], ...marks);
      };
      const longest = Math.max(0, ...lists.map((list) => list.length));
      const body = Array.from({ length: longest }, (_, rank) =>
        make("tr", {}, make("th", { scope: "row", class: "cg-number" }, String(rank + 1)), ...lists.map((list) => cell(list[rank]))));
      const made = make("table", { class: "cg-offers" },
        make("caption", {}, "✓ held out", ...(sides.length > 1 ? [" · ⇄ in both lists"] : [])),
        make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "cg-number" }, "rank"), ...head)),
        make("tbody", {}, ...body)); // prettier-ignore
      const box = make("div", { class: "cg-table", tabindex: 0, role: "region", "aria-label": `Candidates of user ${user.id}` }, made);
      return { box, common: sides.length > 1 ? `; ${count(both.size, "candidate", "candidates")} in common` : "" };
    };

    const show = (place) => {
      at = place;
      const user = users[at];
      id.value = user.id;
      id.removeAttribute("aria-invalid");
      const { box, common } = table(user);
      const history = count(user.n, "item in the history", "items in the history");
      said.textContent = `User ${user.id}: ${history}, ${user.m.toLocaleString("en")} held out${common}.`;
      shown.replaceChildren(
        make("div", { class: "cg-lists" }, items("History, newest first", user.history, user.n), items("Held out", user.held, user.m)), box);
    };

    const look = (strict) => {
      const typed = id.value.trim();
      if (byId.has(typed)) return show(byId.get(typed));
      if (!strict) return;
      id.setAttribute("aria-invalid", "true");
      said.textContent = `No user ${typed} is stored in this page. The box offers the ids that are.`;
    };
    id.addEventListener("input", () => look(false));
    id.addEventListener("change", () => look(true));
    id.addEventListener("focus", () => id.select()); // an offer list shows what contains the text

    const [some, few] = [users.length < told.judged, rows.length < told.known];
    const of = (n, all, what) => `${n.toLocaleString("en")} of ${all.toLocaleString("en")} ${what}`;
    const stored = [
      some ? of(users.length, told.judged, "judged users, from the least to the most active") : `All ${count(users.length, "judged user", "judged users")}`,
      few ? of(rows.length, told.known, "rows with candidates") : `all ${count(rows.length, "row", "rows")} with candidates`,
    ];
    section.append(
      make("h3", { class: "cg-heading" }, "Pick a user"),
      make("p", { class: "cg-remark" }, `Stored in this page: ${stored.join("; ")}.`.replace(": All", ": all")),
      make("div", { class: "cg-controls" }, control("User", id), known, step("Less active", -1), step("More active", 1), ...choices),
      said, shown,
    ); // prettier-ignore
    show(at);
  };
  cgCharts.blocks("users").forEach(open);
})();
