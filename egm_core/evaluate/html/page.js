"use strict";
const D = { questions: [], ...JSON.parse(document.getElementById("data").textContent) };
const $ = (id) => document.getElementById(id);
const PAGE = 60;
const state = { one: 0, two: D.runs.length > 1 ? 1 : -1, side: false, search: "", picked: {}, found: [], drawn: 0, at: -1 };

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") node.className = value; else if (key in node) node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/* What came of an answer, in the words of the filter. */
function outcome(answer) {
  if (!answer) return "not asked";
  if (answer.c) return "right";
  return answer.o === "found" ? "wrong box" : answer.o;
}

function versus(question) {
  const [one, two] = [question.r[state.one], question.r[state.two]];
  if (!one || !two) return "asked of one only";
  return one.c ? (two.c ? "both right" : "only the first right") : two.c ? "only the second right" : "both wrong";
}

/* A filter: its key, its title, and what value a question has. */
function filters() {
  const list = [["outcome", "Outcome" + (D.runs.length > 1 ? ", first model" : ""), (q) => outcome(q.r[state.one])]];
  if (state.two >= 0) list.push(["versus", "Both models", versus], ["outcome2", "Outcome, second model", (q) => outcome(q.r[state.two])]);
  list.push(["task", "Box", (q) => q.a]);
  for (const [key, title] of D.groups) list.push([key, title[0].toUpperCase() + title.slice(1), (q) => q.g[key] ?? ["–"]]);
  return list;
}

function matches(question, except) {
  for (const [key, , value] of filters()) {
    const picked = state.picked[key];
    if (key !== except && picked && picked.size && ![value(question)].flat().some((v) => picked.has(v))) return false;
  }
  return !state.search || question.find.includes(state.search);
}

const ORDER = ["right", "wrong box", "absent", "malformed", "failed", "not asked", "both right", "only the first right", "only the second right", "both wrong"];

function drawFilters() {
  const box = $("filters");
  box.replaceChildren();
  for (const [key, title, value] of filters()) {
    const counts = new Map();
    for (const q of D.questions) for (const v of [value(q)].flat()) { if (!counts.has(v)) counts.set(v, 0); if (matches(q, key)) counts.set(v, counts.get(v) + 1); }
    if (counts.size < 2) continue;
    const set = make("fieldset", {}, make("legend", { textContent: title }));
    const rank = (v) => (ORDER.indexOf(v) < 0 ? 99 : ORDER.indexOf(v));
    for (const v of [...counts.keys()].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, undefined, { numeric: true }))) {
      const input = make("input", { type: "checkbox", name: key, value: v, checked: !!state.picked[key]?.has(v) });
      input.addEventListener("change", () => {
        const picked = (state.picked[key] ??= new Set());
        if (input.checked) picked.add(v); else picked.delete(v);
        update();
        document.querySelector(`input[name="${key}"][value="${CSS.escape(v)}"]`)?.focus({ preventScroll: true });
      });
      set.append(make("label", {}, input, v, make("span", { textContent: counts.get(v) })));
    }
    box.append(set);
  }
}

function drawModels() {
  if (D.runs.length < 2) return;
  const choice = (which, title) => {
    const select = make("select", { title, "aria-label": title });
    if (which === "two") select.append(make("option", { value: -1, textContent: "(no second model)" }));
    D.runs.forEach((name, i) => select.append(make("option", { value: i, textContent: name })));
    select.value = state[which];
    select.addEventListener("change", () => { state[which] = Number(select.value); update(); });
    return select;
  };
  $("models").replaceChildren(choice("one", "first model"), choice("two", "second model"));
}

const SVG = "http://www.w3.org/2000/svg";
/* A picture with boxes over it; `runs` are the models whose boxes are drawn, by their number and their class. */
function shot(question, runs, who) {
  const picture = D.pictures[question.p];
  const frame = make("div", { class: "shot" });
  const [width, height] = [question.w || picture?.w, question.h || picture?.h];
  frame.append(picture?.src ? make("img", { src: picture.src, alt: question.t, loading: "lazy", decoding: "async" })
                            : make("div", { class: "none", textContent: "no picture" }));
  if (width && height) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const rect = (box, name) => {
      if (!box || box[2] <= box[0] || box[3] <= box[1]) return;
      for (const look of [name === "truth" ? "halo under" : "halo", name]) {
        const r = document.createElementNS(SVG, "rect");
        r.setAttribute("class", look + (question.a === "amodal" ? " amodal" : ""));
        [["x", box[0]], ["y", box[1]], ["width", box[2] - box[0]], ["height", box[3] - box[1]]].forEach(([k, v]) => r.setAttribute(k, v));
        svg.append(r);
      }
    };
    rect(question.b, "truth");
    for (const [i, name] of runs) rect(question.r[i]?.b, name);
    frame.append(svg);
  }
  if (who) frame.append(make("div", { class: "who", textContent: who }));
  return frame;
}

const drawnRuns = () => [[state.one, "one"], ...(state.two >= 0 ? [[state.two, "two"]] : [])];

function mark(answer, name) {
  const said = outcome(answer);
  const fit = answer && answer.b && answer.i !== null && said !== "not asked" ? ` ${answer.i.toFixed(2)}` : "";
  return make("span", { class: `mark ${said === "right" ? "right" : said === "not asked" ? "" : "wrong"}` },
              ...(state.two >= 0 ? [make("i", { class: name })] : []), said + fit);
}

function card(question, place) {
  const runs = drawnRuns();
  const shots = make("div", { class: "shots" });
  if (state.side && runs.length > 1) runs.forEach(([i, name]) => shots.append(shot(question, [[i, name]], D.runs[i])));
  else shots.append(shot(question, runs, ""));
  const marks = make("div", { class: "marks" }, ...runs.map(([i, name]) => mark(question.r[i], name)));
  if (D.tasks > 1) marks.append(make("span", { class: "mark", textContent: question.a }));
  if (question.g.kind) marks.append(make("span", { class: "mark", textContent: question.g.kind.join(", ") }));
  const node = make("div", { class: "card", role: "listitem", tabIndex: -1 }, shots,
                    make("div", { class: "words" }, make("p", { textContent: question.t }), marks));
  node.addEventListener("click", () => { choose(place); open(); });
  return node;
}

function more() {
  const grid = $("grid");
  for (const question of state.found.slice(state.drawn, state.drawn + PAGE)) grid.append(card(question, state.drawn++));
}

function update() {
  state.found = D.questions.filter((q) => matches(q));
  state.drawn = 0;
  state.at = -1;
  const grid = $("grid");
  grid.className = state.side && state.two >= 0 ? "side" : "";
  grid.replaceChildren();
  if (!state.found.length) grid.append(make("div", { class: "empty", textContent: "No answer fits these filters." }));
  $("side").disabled = state.two < 0;
  document.querySelector(".legend .two").hidden = state.two < 0;
  document.querySelector(".legend .one").textContent = state.two < 0 ? "the model" : "first model";
  const right = state.found.filter((q) => q.r[state.one]?.c).length;
  const share = state.found.length ? `, ${(100 * right / state.found.length).toFixed(1)} % right` : "";
  $("shown").textContent = `${state.found.length} of ${D.questions.length} questions${share}${D.runs.length > 1 ? ` (${D.runs[state.one]})` : ""}`;
  more();
  drawFilters();
}

function choose(place) {
  if (place < 0 || place >= state.found.length) return;
  while (state.drawn <= place) more();
  // Enter is for the chosen answer from now on, not for the button that was clicked last.
  if (!$("detail").open) document.activeElement?.blur();
  const cards = $("grid").children;
  cards[state.at]?.classList.remove("chosen");
  state.at = place;
  cards[place].classList.add("chosen");
  cards[place].scrollIntoView({ block: "nearest" });
  if ($("detail").open) open();
}

function told(question, i, name, single) {
  const answer = question.r[i];
  const parts = make("div", {});
  parts.append(make("div", { class: "marks" }, mark(answer, name)));
  if (answer) {
    const facts = [answer.w && `reason: ${answer.w}`, answer.b && `box ${answer.b.map((v) => Math.round(v)).join(", ")}`,
                   answer.s !== null && `${answer.s.toFixed(2)} s`].filter(Boolean).join(" · ");
    if (facts) parts.append(make("p", { class: "soft", textContent: facts }));
    if (answer.n) parts.append(make("h3", { textContent: "Reasoning" }), make("pre", { class: "thought", textContent: answer.n }));
    if (answer.x) parts.append(make("h3", { textContent: "Answer" }), make("pre", { textContent: answer.x }));
  }
  return make("article", {}, shot(question, [[i, name]], single ? "" : D.runs[i]), parts);
}

function open() {
  const question = state.found[state.at];
  if (!question) return;
  const runs = drawnRuns();
  const facts = [question.a + " box", ...D.groups.filter(([k]) => k in question.g).map(([k, t]) => `${t}: ${question.g[k].join(", ")}`),
                 question.b ? `truth ${question.b.map((v) => Math.round(v)).join(", ")}` : "truth: absent", D.pictures[question.p].name];
  const pair = make("div", { class: "pair" + (runs.length < 2 ? " single" : "") }, ...runs.map(([i, name]) => told(question, i, name, runs.length < 2)));
  $("detail").firstElementChild.replaceChildren(
    make("h2", { textContent: question.t }),
    make("div", { class: "soft", textContent: `${state.at + 1} of ${state.found.length} · ${facts.join(" · ")}` }), pair);
  if (!$("detail").open) $("detail").showModal();
}

function columns() {
  return getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
}

function tab(name) {
  for (const button of document.querySelectorAll("[data-tab]")) {
    button.setAttribute("aria-selected", button.dataset.tab === name);
    $(button.dataset.tab).hidden = button.dataset.tab !== name;
  }
  scrollTo(0, 0);
  history.replaceState(null, "", "#/" + name);
}

function dark(on) {
  document.documentElement.classList.toggle("dark", on);
}

function side(on) {
  if (state.two < 0) return;
  state.side = $("side").checked = on;
  update();
}

const KEYS = {
  ArrowRight: () => choose(state.at + 1), ArrowLeft: () => choose(Math.max(0, state.at - 1)),
  ArrowDown: () => choose(state.at < 0 ? 0 : Math.min(state.found.length - 1, state.at + columns())),
  ArrowUp: () => choose(state.at - columns()),
  Enter: open, s: () => side(!state.side),
  "/": () => { $("detail").close(); $("search").focus(); $("search").select(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input[type=search], select");
  if (typing && event.key === "Escape") { event.target.blur(); return; }
  if (typing) { if (event.key === "Enter") { event.target.blur(); choose(0); } return; }
  const always = { d: () => dark(!document.documentElement.classList.contains("dark")), "?": () => $("help").showModal(),
                   1: () => tab("overview"), 2: () => tab("answers") };
  if (event.key === "/" && $("answers").hidden) tab("answers");
  const act = always[event.key] ?? ($("answers").hidden || $("help").open ? null : KEYS[event.key]);
  if (!act || (event.key === "Enter" && event.target.matches("button, summary, input"))) return;
  event.preventDefault();
  act();
});

for (const button of document.querySelectorAll("[data-tab]")) button.addEventListener("click", () => tab(button.dataset.tab));
for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
$("dark-button").addEventListener("click", () => dark(!document.documentElement.classList.contains("dark")));
$("help-button").addEventListener("click", () => $("help").showModal());
$("side").addEventListener("change", () => side($("side").checked));
$("clear").addEventListener("click", () => { state.picked = {}; state.search = $("search").value = ""; update(); });
$("search").addEventListener("input", () => { state.search = $("search").value.trim().toLowerCase(); update(); });
new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) more(); }, { rootMargin: "900px" }).observe($("end"));

/* Questions and answers are packed, for their texts would leave no room for pictures. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function begin() {
  dark(matchMedia("(prefers-color-scheme: dark)").matches);
  tab(location.hash === "#/answers" ? "answers" : "overview");
  try {
    const packed = await unpack($("packed").textContent);
    D.questions = packed.questions;
    packed.names.forEach((name, i) => { D.pictures[i].name = name; });
  } catch (error) {
    $("shown").textContent = `The answers cannot be unpacked (${error}): use a browser of 2023 or newer.`;
    return;
  }
  for (const q of D.questions) q.find = [q.t, ...q.r.map((r) => (r ? `${r.n}\n${r.x}\n${r.w}` : ""))].join("\n").toLowerCase();
  D.tasks = new Set(D.questions.map((q) => q.a)).size;
  drawModels();
  update();
  document.body.dataset.ready = "yes";
}

begin();
