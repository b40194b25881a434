// A table that is wider than its box says so, and fades where more columns follow.
(() => {
  const look = (box, hint) => {
    const wide = box.scrollWidth > box.clientWidth + 1;
    hint.hidden = !wide;
    box.classList.toggle("cg-more", wide && box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  };
  for (const box of document.querySelectorAll(".cg-table")) {
    const hint = document.createElement("p");
    hint.className = "cg-wide-hint";
    hint.hidden = true;
    hint.textContent = "This table is wider than the page: scroll it sideways to see all columns.";
    box.before(hint);
    box.addEventListener("scroll", () => look(box, hint), { passive: true });
    new ResizeObserver(() => look(box, hint)).observe(box);
  }
})();
