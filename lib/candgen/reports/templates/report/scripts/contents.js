// The section being read stands out in the contents.
(() => {
  const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash.slice(1), a]));
  const heads = [...document.querySelectorAll("main h2[id]")].filter((h) => links.has(encodeURIComponent(h.id)));
  const mark = () => {
    const passed = heads.filter((h) => h.getBoundingClientRect().top < 120).pop();
    for (const a of links.values()) a.removeAttribute("aria-current");
    if (passed) links.get(encodeURIComponent(passed.id)).setAttribute("aria-current", "true");
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
})();
