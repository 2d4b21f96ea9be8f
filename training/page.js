"use strict";
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const header = button.closest("th");
    const column = header.cellIndex;
    const body = header.closest("table").tBodies[0];
    const descending = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      const difference = Number(x) - Number(y);
      return Number.isNaN(difference) ? x.localeCompare(y, undefined, { numeric: true }) : difference;
    };
    body.append(...[...body.rows].sort((a, b) => (descending ? order(b, a) : order(a, b))));
  });
}
