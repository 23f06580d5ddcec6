"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const shelf = `egm-audit-${data.sheet}`;
const SVG = "http://www.w3.org/2000/svg";
const Z = 1.959964;
const said = load();
let now = Math.max(0, data.items.findIndex((item) => !said[item.key]));

function load() {
  // A browser may forbid storage to files; then the judgements live as long as the page.
  try { return JSON.parse(localStorage.getItem(shelf)) || {}; } catch { return {}; }
}

function keep() {
  try { localStorage.setItem(shelf, JSON.stringify(said)); } catch { at("rate").title = "this browser keeps nothing"; }
}

function wilson(wrong, count) {
  const share = wrong / count, bottom = 1 + Z * Z / count;
  const centre = (share + Z * Z / (2 * count)) / bottom;
  const half = Z * Math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count)) / bottom;
  return [Math.max(centre - half, 0), Math.min(centre + half, 1)];
}

function percent(value) { return `${(100 * value).toFixed(1)} %`; }

function tell() {
  const values = data.items.map((item) => said[item.key]).filter(Boolean);
  const wrong = values.filter((value) => value === "n").length;
  let words = `${values.length} of ${data.items.length} judged`;
  if (values.length) {
    const [low, high] = wilson(wrong, values.length);
    words += `, ${wrong} wrong: ${percent(wrong / values.length)} (95 % interval ${percent(low)} to ${percent(high)})`;
  }
  at("rate").textContent = words;
}

function box(edges, name) {
  if (!edges) return;
  const rect = document.createElementNS(SVG, "rect");
  const [x0, y0, x1, y1] = edges;
  for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0, class: name })) {
    rect.setAttribute(key, value);
  }
  at("picture").append(rect);
}

function show() {
  const item = data.items[now], picture = at("picture");
  const [width, height] = item.size;
  // A whole object may leave the picture, and its box is seen even there.
  const edges = [[0, 0, width, height], item.visible, item.amodal].filter(Boolean);
  const [x0, y0] = [0, 1].map((n) => Math.min(...edges.map((one) => one[n])));
  const [x1, y1] = [2, 3].map((n) => Math.max(...edges.map((one) => one[n])));
  picture.setAttribute("viewBox", `${x0} ${y0} ${x1 - x0} ${y1 - y0}`);
  picture.replaceChildren();
  const image = document.createElementNS(SVG, "image");
  for (const [key, value] of Object.entries({ href: item.src, width, height, preserveAspectRatio: "none" })) {
    image.setAttribute(key, value);
  }
  picture.append(image);
  box(item.amodal, "amodal");
  box(item.visible, "visible");
  at("place").textContent = `${now + 1} of ${data.items.length}${item.task ? " · " : ""}`;
  at("task").textContent = item.task;
  at("sent").textContent = item.sent;
  at("text").textContent = item.text || "(the expression itself is judged)";
  at("told").replaceChildren(...item.told.flatMap(([name, value]) => {
    const [term, words] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name.replaceAll("_", " ");
    words.textContent = value;
    return [term, words];
  }));
  at("good").setAttribute("aria-pressed", said[item.key] === "y");
  at("wrong").setAttribute("aria-pressed", said[item.key] === "n");
  [...at("dots").children].forEach((dot, number) => {
    dot.dataset.said = said[data.items[number].key] || "";
    dot.setAttribute("aria-current", number === now);
  });
  tell();
}

function go(step) {
  now = Math.min(Math.max(now + step, 0), data.items.length - 1);
  show();
}

function judge(value) {
  said[data.items[now].key] = value;
  keep();
  go(1);
}

function undo() {
  // Right after a judgement the item is the one before.
  if (!said[data.items[now].key] && now) now -= 1;
  delete said[data.items[now].key];
  keep();
  show();
}

function save() {
  const judgements = Object.fromEntries(data.items.filter((i) => said[i.key]).map((i) => [i.key, said[i.key]]));
  const told = { sheet: data.sheet, file: data.file, seed: data.seed, of: data.of, items: data.items.length, judgements };
  const link = document.createElement("a");
  link.href = `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(told, null, 1))}`;
  link.download = "audit.json";
  link.click();
}

const KEYS = {
  y: () => judge("y"), n: () => judge("n"), u: undo,
  ArrowRight: () => go(1), ArrowLeft: () => go(-1), b: () => at("picture").classList.toggle("bare"),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
at("good").onclick = KEYS.y;
at("wrong").onclick = KEYS.n;
at("clear").onclick = undo;
at("export").onclick = save;
at("dots").append(...data.items.map((item, number) => {
  const dot = document.createElement("button");
  dot.title = item.sent;
  dot.onclick = () => go(number - now);
  return dot;
}));
show();
