// Sorts tables by a click on a column's head, and hides models. Without this script the page shows all rows and models.
"use strict";

const readCell = (row, column) => {
  const cell = row.cells[column];
  const number = Number.parseFloat(cell.dataset.value ?? cell.textContent.replace("−", "-"));
  return Number.isNaN(number) ? cell.textContent.trim() : number;
};

const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b
  : typeof a === "number" ? 1  // cells without a number come below all numbers
  : typeof b === "number" ? -1
  : String(a).localeCompare(String(b), "en", { numeric: true });

const sortBy = (table, head) => {
  const column = head.cellIndex, body = table.tBodies[0], rows = [...body.rows];
  const numbers = rows.some((row) => typeof readCell(row, column) === "number");
  const was = head.getAttribute("aria-sort");
  const order = was ? (was === "ascending" ? "descending" : "ascending") : numbers ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => sign * compare(readCell(a, column), readCell(b, column)));
  body.append(...rows);
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
};

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head));
  }
}

const chooser = document.getElementById("models");
chooser.hidden = false;
chooser.addEventListener("change", ({ target }) => {
  for (const part of document.querySelectorAll(`[data-model="${CSS.escape(target.value)}"]`)) part.hidden = !target.checked;
});

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
