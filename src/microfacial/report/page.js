// Sorts tables by a click on a column's head, copies tables, says where a frame can be scrolled, and hides models.
// Without this script the page shows all rows and models.
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

// Frames that are wider than their place: a line above, and a fade at the right edge until the end is reached.
for (const frame of document.querySelectorAll(".scroll, .wide")) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Scroll sideways for more →";
  hint.hidden = true;
  frame.before(hint);
  const update = () => {
    const rest = frame.scrollWidth - frame.clientWidth;
    hint.hidden = rest < 2;
    frame.classList.toggle("more", rest - frame.scrollLeft >= 2);
  };
  frame.addEventListener("scroll", update, { passive: true });
  const observer = new ResizeObserver(update);
  observer.observe(frame);
  for (const content of frame.children) observer.observe(content);
}

// Visible rows as texts. A column that only draws, without words, is left out.
const readTable = (table) => {
  const rows = [...table.rows].filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => cell.textContent.trim().replace(/\s+/g, " ")));
  const [, ...body] = rows;
  const columns = rows[0].map((_, column) => column).filter((column) => body.some((row) => row[column]));
  return rows.map((row) => columns.map((column) => row[column] ?? ""));
};

const asCsv = (rows) => rows.map((row) => row.map((cell) => {
  const text = cell.replaceAll("−", "-");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}).join(",")).join("\n") + "\n";

const LATEX = {
  "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}",
  "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "$<$", ">": "$>$", "−": "$-$", "\u00b1": "$\\pm$",
  "Δ": "$\\Delta$", "→": "$\\to$", "–": "--", "×": "$\\times$", "\u00a0": "~",
};

const asLatex = (rows) => {
  const lines = rows.map((row) => row.map((cell) => [...cell].map((letter) => LATEX[letter] ?? letter).join("")).join(" & ") + " \\\\");
  const [head, ...body] = lines;
  const columns = "l" + "r".repeat(rows[0].length - 1);
  return ["% needs \\usepackage{booktabs}", `\\begin{tabular}{${columns}}`, "\\toprule", head, "\\midrule", ...body, "\\bottomrule", "\\end{tabular}", ""].join("\n");
};

const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {  // no permission, or a page that was not opened from a secure place
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
};

for (const frame of document.querySelectorAll(".scroll")) {
  const table = frame.querySelector("table");
  const bar = document.createElement("div"), said = document.createElement("span");
  bar.className = "copy";
  said.setAttribute("role", "status");
  bar.append(said);
  const name = frame.getAttribute("aria-label").replace(", scrollable", "");
  for (const [form, write] of [["CSV", asCsv], ["LaTeX", asLatex]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Copy ${form}`;
    button.setAttribute("aria-label", `Copy ${form}: ${name}`);
    button.addEventListener("click", async () => {
      const copied = await copyText(write(readTable(table)));
      said.textContent = copied ? `${form} copied` : "The browser refused to copy";
      button.focus();
    });
    bar.append(button);
  }
  frame.after(bar);
}

const chooser = document.getElementById("models");
chooser.hidden = false;
chooser.addEventListener("change", ({ target }) => {
  for (const part of document.querySelectorAll(`[data-model="${CSS.escape(target.value)}"]`)) part.hidden = !target.checked;
});

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
