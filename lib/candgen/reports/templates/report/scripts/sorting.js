// Click a column's name: its rows are sorted, best or first letter on top; click again: reversed.
// Numbers start with the largest. Rows without a value stay at the end, ties keep their order.
(() => {
  if (window.cgSorting) return;
  window.cgSorting = true;
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".cg-sortable thead button");
    if (!button) return;
    const head = button.closest("th");
    const table = head.closest("table");
    const first = head.classList.contains("cg-number") ? "descending" : "ascending";
    const other = first === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, head.cellIndex), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
    for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    table.tBodies[0].append(...rows.map(([, row]) => row));
  });
})();
