"use strict";
// Sorting and filtering of tables; the page is complete without them.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => {
        const cell = row.cells[column];
        const value = cell.dataset.v;
        return value === undefined ? cell.textContent : value === "" ? null : Number(value);
      };
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        const sign = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
        return up ? sign : -sign;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
  if (body.rows.length < 9) continue;
  const label = document.createElement("label");
  label.className = "filter";
  label.textContent = "Show rows with: ";
  const input = document.createElement("input");
  input.type = "search";
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  label.append(input);
  table.parentElement.before(label);
}
// A link to a figure opens nothing by itself, but moves the focus there for keyboards.
addEventListener("hashchange", () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target) target.focus({ preventScroll: true });
});
