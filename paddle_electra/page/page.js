"use strict";

const config = JSON.parse(document.getElementById("config").textContent);
const WITH_PAIR = ["pair-cls", "text-matching", "qa"];
const byId = (id) => document.getElementById(id);
let language = (navigator.language || "en").startsWith("zh") ? "zh" : "en";
let task = config.tasks[0];
let runs = 0; // an answer that another run has overtaken is dropped
let shown = null; // what is on the page, to draw it again in the other language

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function label() {
  const words = WORDS[language];
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = config.name;
  byId("name").textContent = config.name;
  byId("language").textContent = words.other;
  byId("run").textContent = words.run;
  byId("example").textContent = words.example;
  byId("threshold-label").textContent = words.threshold;
  byId("text-label").textContent = task === "qa" ? words.question : words.text;
  byId("pair-label").textContent = task === "qa" ? words.context : words.pair;
  byId("about").textContent = task ? words.tasks[task][1] : words.noTask;
  byId("form").hidden = !task;
  for (const part of ["pair", "pair-label"]) byId(part).hidden = !WITH_PAIR.includes(task);
  byId("threshold-row").hidden = task !== "detect";
  byId("tabs").replaceChildren(...config.tasks.map((name) => {
    const button = element("button", { type: "button", id: `tab-${name}`, textContent: words.tasks[name][0] });
    button.setAttribute("role", "tab");
    button.setAttribute("aria-selected", String(name === task));
    button.addEventListener("click", () => choose(name));
    return button;
  }));
  if (shown) draw(shown);
}

function choose(name) {
  task = name;
  runs += 1;
  shown = null;
  byId("run").disabled = false;
  byId("result").replaceChildren();
  say("");
  label();
}

function showThreshold() {
  byId("threshold-value").textContent = Number(byId("threshold").value).toFixed(2);
}

function say(message, isError = false) {
  byId("status").textContent = message;
  byId("status").classList.toggle("error", isError);
}

function request() {
  const text = byId("text").value;
  const item = WITH_PAIR.includes(task) ? [text, byId("pair").value] : [text];
  const body = { data: [item], task };
  if (task === "detect") body.threshold = Number(byId("threshold").value);
  if (["seq-cls", "pair-cls", "text-matching"].includes(task)) body.return_prob = true;
  return body;
}

function problem(body) {
  const words = WORDS[language];
  if (body.data[0].some((text) => !text.trim())) return words.empty;
  return task === "fill-mask" && !body.data[0][0].includes("[MASK]") ? words.noMask : "";
}

async function run() {
  const body = request();
  const wrong = problem(body);
  if (wrong) return say(wrong, true);
  const own = (runs += 1);
  byId("run").disabled = true;
  say(WORDS[language].working);
  try {
    const response = await fetch(config.predict_url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const reply = await response.json();
    if (own !== runs) return;
    if (reply.status !== "000") return say(reply.msg, true);
    shown = { task, body, answer: reply.results[0] };
    say("");
    draw(shown);
  } catch (error) {
    if (own === runs) say(WORDS[language].unreachable + error.message, true);
  } finally {
    if (own === runs) byId("run").disabled = false;
  }
}

function draw(found) {
  byId("result").replaceChildren(...DRAW[found.task](found.answer, found.body));
}

const DRAW = {
  "detect": drawDetection,
  "fill-mask": drawMasks,
  "seq-cls": drawLabels,
  "pair-cls": drawLabels,
  "text-matching": drawLabels,
  "tag": drawTags,
  "qa": drawAnswers,
};

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { textContent: text })));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function bar(share) {
  const filled = element("div");
  filled.style.width = `${Math.max(1, 100 * share)}%`;
  return element("td", { className: "bar" }, filled);
}

function chanceRow(text, share) {
  return element("tr", {}, element("td", { textContent: text }), element("td", { textContent: percent(share) }), bar(share));
}

function drawDetection(answer) {
  const words = WORDS[language];
  const marked = element("div", { className: "marked", id: "marked" });
  const owner = new Map(); // place of a character -> number of its mark
  answer.suspicious.forEach((mark, number) => {
    for (let place = mark.start; place < mark.end; place += 1) owner.set(place, number);
  });
  const rows = answer.suspicious.map((mark, number) => suggestionRow(mark, number));
  for (const { character, start, probability } of answer.characters) {
    const span = element("span", { textContent: character });
    if (probability !== null) {
      span.style.backgroundColor = `rgba(214, 60, 36, ${(0.85 * probability).toFixed(3)})`;
      span.title = percent(probability);
      span.dataset.probability = probability;
    }
    if (owner.has(start)) {
      const row = rows[owner.get(start)];
      span.classList.add("suspicious");
      span.addEventListener("click", () => {
        rows.forEach((other) => other.classList.toggle("chosen", other === row));
        row.scrollIntoView({ block: "nearest" });
      });
    }
    marked.append(span);
  }
  if (!rows.length) return [marked, element("p", { textContent: words.nothing })];
  return [marked, table([words.suspicious, words.probability, ""], rows)];
}

function suggestionRow(mark, number) {
  const chips = (mark.suggestions || []).map(({ token, probability }) => {
    const chip = element("button", { type: "button", textContent: `${token} ${percent(probability)}`, title: WORDS[language].replace });
    chip.addEventListener("click", () => replace(mark, token));
    return chip;
  });
  return element("tr", { id: `mark-${number}` },
    element("td", { textContent: mark.text }),
    element("td", { textContent: percent(mark.probability) }),
    element("td", {}, element("div", { className: "chips" }, ...chips)));
}

function replace(mark, token) {
  // Places are counted in characters, JavaScript counts in halves of some of them.
  const characters = Array.from(shown.body.data[0][0]);
  characters.splice(mark.start, mark.end - mark.start, token.replace(/^##/, ""));
  byId("text").value = characters.join("");
  run();
}

function drawMasks(answer) {
  const words = WORDS[language];
  return answer.map((choices, number) =>
    table([`${words.mask} ${number + 1}`, words.probability, ""],
      choices.map(({ token, probability }) => chanceRow(token, probability))));
}

function drawLabels(answer) {
  const words = WORDS[language];
  const names = (config.labels || {})[shown.task] || answer.probabilities.map((_, number) => String(number));
  const rows = names.map((name, number) => [String(name), answer.probabilities[number]]);
  rows.sort((one, other) => other[1] - one[1]);
  return [table([words.label, words.probability, ""], rows.map(([name, share]) => chanceRow(name, share)))];
}

function drawTags(answer) {
  const words = WORDS[language];
  const marked = element("div", { className: "marked", id: "marked" });
  answer.words.forEach((word, number) => {
    const span = element("span", { textContent: word, title: `${answer.labels[number]} ${percent(answer.probabilities[number])}` });
    if (answer.labels[number] !== "O") span.classList.add("tagged");
    marked.append(span);
  });
  const rows = answer.entities.map(({ text, type }) =>
    element("tr", {}, element("td", { textContent: text }), element("td", { textContent: type })));
  return [marked, table([words.entity, words.label], rows)];
}

function drawAnswers(answer) {
  const words = WORDS[language];
  return [table([words.answer, words.probability, ""], answer.answers.map(({ text, probability }) => chanceRow(text, probability)))];
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
byId("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  say("");
  label();
});
byId("example").addEventListener("click", () => {
  [byId("text").value, byId("pair").value] = [...EXAMPLES[task], ""];
});
byId("threshold").addEventListener("input", showThreshold);
// Firefox keeps these two as they were when the page is loaded again.
byId("run").disabled = false;
showThreshold();
label();
