"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const table = document.getElementById("all");
const body = table.tBodies[0];

function element(name, text, attributes) {
  const node = document.createElement(name);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  return node;
}

/* ------------------------------------------------------------------ sorting */

const rows = Array.from(body.rows);
const order = new Map(rows.map((row, i) => [row, i]));

function sortKey(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  if (!cell.classList.contains("number")) return text.toLowerCase();
  const number = parseFloat(text.replace(/^\[/, ""));
  return Number.isNaN(number) ? null : number;
}

function sortBy(header, column) {
  const descending = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const keys = new Map(rows.map(row => [row, sortKey(row, column)]));
  rows.sort((a, b) => {
    const x = keys.get(a), y = keys.get(b);
    if (x === y) return order.get(a) - order.get(b);
    if (x === null) return 1;  // rows without a value stay last
    if (y === null) return -1;
    return (x < y ? -1 : 1) * (descending ? -1 : 1);
  });
  body.append(...rows);
}

Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
  const button = element("button", header.textContent, { type: "button" });
  header.replaceChildren(button);
  button.addEventListener("click", () => sortBy(header, column));
});

/* ---------------------------------------------------------------- filtering */

const search = document.getElementById("search");
const selects = Array.from(document.querySelectorAll("select[data-filter]"));
const texts = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const text = texts.get(row);
    const fits = words.every(word => text.includes(word)) &&
      selects.every(select => !select.value || row.dataset[select.dataset.filter] === select.value);
    row.hidden = !fits;
    count += fits;
  }
  document.getElementById("shown").textContent = count + " of " + rows.length + " shown";
}

search.addEventListener("input", filter);
for (const select of selects) select.addEventListener("change", filter);
document.getElementById("filters").addEventListener("submit", event => event.preventDefault());
document.getElementById("filters").hidden = false;
filter();

/* --------------------------------------------------------------- drill-down */

const dialog = document.getElementById("detail");
const detail = document.getElementById("detail-body");

function scoreTable(scores) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const name of ["score", "value", "low", "high", "chance", "n"]) head.append(element("th", name, { scope: "col" }));
  const rowsOfScores = made.createTBody();
  for (const [name, ...values] of scores) {
    const row = rowsOfScores.insertRow();
    row.append(element("th", data.names[name], { scope: "row" }), ...values.map(value => element("td", value)));
  }
  return made;
}

function curve(name, points) {
  const space = "http://www.w3.org/2000/svg", width = 300, height = 120, left = 46, bottom = 18;
  const xs = points.map(point => point[0]), ys = points.map(point => point[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const px = x => left + (x - x0) / (x1 - x0 || 1) * (width - left - 8);
  const py = y => 8 + (y1 - y) / (y1 - y0 || 1) * (height - bottom - 16);
  const make = (tag, attributes, text) => {
    const node = document.createElementNS(space, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const said = name + ": from " + ys[0] + " to " + ys[ys.length - 1] + " over " + x1 + " steps";
  const svg = make("svg", { viewBox: "0 0 " + width + " " + height, width, height, role: "img", "aria-label": said });
  svg.append(
    make("path", { d: points.map((p, i) => (i ? "L" : "M") + px(p[0]).toFixed(1) + " " + py(p[1]).toFixed(1)).join("") }),
    make("text", { x: 0, y: 16 }, y1.toPrecision(3)), make("text", { x: 0, y: height - bottom - 4 }, y0.toPrecision(3)),
    make("text", { x: left, y: height - 4 }, x0), make("text", { x: width - 8, y: height - 4, "text-anchor": "end" }, x1),
  );
  const figure = element("figure");
  figure.append(svg, element("figcaption", name));
  return figure;
}

function rounded(name, value) {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

function recordOf(item) {
  const part = element("details");
  part.append(element("summary", "seed " + item.seed + ": " + item.status + (item.reason ? ": " + item.reason : "")));
  if (item.scores && item.scores.length) part.append(scoreTable(item.scores));
  const curves = data.curves[item.facts && item.facts.artefact];
  if (curves) {
    part.append(element("h3", "Learning curves"));
    const plots = element("div", null, { "class": "plots" });
    plots.append(...Object.entries(curves).map(([name, points]) => curve(name, points)));
    part.append(plots);
  }
  if (item.log) part.append(element("h3", "Log"), element("pre", item.log, { tabindex: "0" }));
  if (item.shared) {
    const record = { key: item.key, ...item.facts };
    for (const [name, index] of Object.entries(item.shared)) record[name === "facts" ? "fit_facts" : name] = data.shared[index];
    part.append(element("h3", "Record and provenance"), element("pre", JSON.stringify(record, rounded, 1), { tabindex: "0" }));
  }
  return part;
}

function open(id) {
  const items = data.cells[id];
  if (!items) return;
  const [method, task] = id.split("-").map(Number);
  document.getElementById("detail-title").textContent = data.methods[method] + " on " + data.tasks[task];
  detail.replaceChildren(...items.map(recordOf));
  detail.firstElementChild.open = true;
  dialog.showModal();
}

body.addEventListener("click", event => {
  const button = event.target.closest("button[data-cell]");
  if (button) open(button.dataset.cell);
});

/* -------------------------------------------------------------------- theme */

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach(part => { part.open = true; }));
