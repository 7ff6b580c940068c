// The comparison page: one pair at a time. An answer is confirmed only when the
// server has stored it; until then the page shows that it is under way, and
// after a failure it keeps the answer and offers to try again.
//
// main.dataset.state says where the page is:
//   loading  the pictures are not there yet
//   ready    it waits for an answer
//   storing  an answer is under way
//   failed   it did not get through
//   broken   a picture cannot be shown: the pair can only be skipped

import { Marks } from "./marks.js";
import { Overlay } from "./overlay.js";
import { Zoom } from "./zoom.js";

const $ = (id) => document.getElementById(id);
const main = $("main");
const round = JSON.parse($("round").textContent);
const form = $("answers");
const buttons = [...form.querySelectorAll("button[name=answer]")];
const zoom = new Zoom([...document.querySelectorAll(".pane")]);
const overlay = $("difference") && new Overlay($("difference"), [$("left-overlay"), $("right-overlay")], say);
const marks = new Marks(round, say);
const patience = 20000; // ms until an answer counts as not got through

let pair = round.next;
let shownAt = 0; // when both pictures were on screen
let pending = null; // the request that has not been confirmed

function state(name) {
  main.dataset.state = name;
  const blocked = { ready: [], broken: buttons.filter((b) => b.value !== "s") }[name] ?? buttons;
  for (const b of buttons) b.disabled = blocked.includes(b);
  $("undo").disabled = !["ready", "broken"].includes(name) || latest() < 0;
  $("retry").hidden = name !== "failed";
}

// latest is the index of the pair answered last, −1 if there is none.
function latest() {
  const ids = round.pairs.map((p) => p.judgment);
  const id = Math.max(...ids);
  return id > 0 ? ids.indexOf(id) : -1;
}

function say(...parts) {
  $("said").replaceChildren(...parts);
}

function element(name, text, kind = "") {
  const e = document.createElement(name);
  e.textContent = text;
  e.className = kind;
  return e;
}

const bold = (text) => element("b", text);

// sided writes an answer in bold; where the pictures stand above each other,
// the style sheet shows top and bottom for left and right.
function sided(said) {
  const b = bold("");
  const [side, ...rest] = said.split(" ");
  const down = { left: "top", right: "bottom" }[side];
  if (down) b.append(element("span", side, "across"), element("span", down, "down"), " ", rest.join(" "));
  else b.append(said);
  return b;
}

// show puts a pair on screen, and starts the clock when both pictures are.
async function show(index) {
  pair = index;
  const p = round.pairs[index];
  state("loading");
  zoom.reset();
  overlay?.off();
  for (const b of buttons) b.classList.remove("chosen");
  main.dataset.pair = index;
  form.elements.pair.value = index;
  $("progress").textContent = `${index + 1} of ${round.pairs.length}`;
  document.querySelectorAll(".progress li").forEach((li, i) => {
    li.className = round.pairs[i].judgment ? "done" : i === index ? "here" : "";
  });
  const loads = [];
  for (const side of ["left", "right"]) {
    const img = $(side), src = `/blob/${p[side]}`;
    if (img.getAttribute("src") !== src) img.src = src;
    loads.push(img.decode());
    $(`${side}-prompt`).textContent = p[`${side}_prompt`] || "no prompt known";
  }
  const results = await Promise.allSettled(loads);
  if (pair !== index) return;
  const lost = results.findIndex((r) => r.status === "rejected");
  if (lost >= 0) {
    say(`The ${["left", "right"][lost]} picture cannot be shown. Skip this pair, or reload the page.`);
    state("broken");
    return;
  }
  await new Promise(requestAnimationFrame); // not before the window shows them
  if (pair !== index) return;
  shownAt = performance.now();
  overlay?.of(p.left, p.right);
  marks.of(p);
  state("ready");
  preload();
}

// preload fetches the pictures of the next open pair.
function preload() {
  const p = round.pairs.find((p, i) => i !== pair && !p.judgment);
  if (p) for (const id of [p.left, p.right]) new Image().src = `/blob/${id}`;
}

function answer(button) {
  if (button.disabled) return;
  button.classList.add("chosen");
  send("/compare/answer", {
    round: round.round,
    pair,
    outcome: button.dataset.outcome,
    grade: Number(button.dataset.grade),
    latency_ms: shownAt ? Math.max(1, Math.round(performance.now() - shownAt)) : 0,
  });
}

function undo() {
  if ($("undo").disabled) return;
  const last = latest(); // named, so that trying again takes back no second answer
  send("/compare/undo", { round: round.round, pair: last, judgment: round.pairs[last].judgment });
}

// send posts a request and shows what became of it.
async function send(url, body) {
  pending = { url, body };
  shownAt = 0;
  state("storing");
  say("Storing…");
  let reply, code;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    });
    code = response.status;
    reply = await response.json();
  } catch (error) {
    failed(error.name === "TimeoutError" ? "the server does not answer" : "the server cannot be reached");
    return;
  }
  if (code === 200) {
    url.endsWith("undo") ? undone(reply) : stored(reply);
  } else if (code === 409 && reply.judgment) {
    settled(reply, body);
  } else {
    failed(reply.error ?? `the server answers ${code}`);
  }
}

function failed(why) {
  say(bold("Not stored"), `: ${why}. Your answer is kept here.`);
  state("failed");
  $("retry").focus();
}

function retry() {
  if (main.dataset.state === "failed" && pending) send(pending.url, pending.body);
}

function stored(reply) {
  pending = null;
  round.pairs[reply.pair].judgment = reply.judgment.id;
  say("Stored: ", sided(reply.said), `. Chosen because: ${reply.reason}.`);
  goOn(reply.next);
}

// settled handles a pair that was answered before: by this very click, whose
// confirmation was lost, or from another window.
function settled(reply, body) {
  const same = reply.judgment.outcome === body.outcome && reply.judgment.grade === body.grade;
  stored(reply);
  if (!same) say("This pair was answered before: ", sided(reply.said), ". That answer stands; undo changes it.");
}

function undone(reply) {
  pending = null;
  round.pairs[reply.pair].judgment = 0;
  say("Taken back", ...(reply.said ? [": ", sided(reply.said)] : []), ".");
  show(reply.next);
}

function goOn(next) {
  if (next >= 0) {
    show(next);
    return;
  }
  main.dataset.state = "done";
  location.assign(`/compare?round=${round.round}`);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter === $("undo")) undo();
  else if (event.submitter === $("breakthrough")) marks.ask();
  else if (event.submitter?.dataset.mark) marks.toggle(event.submitter.dataset.mark);
  else if (event.submitter) answer(event.submitter);
});
$("retry").addEventListener("click", retry);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || marks.asking) return;
  const key = event.key.toLowerCase();
  const button = buttons.find((b) => b.value === key);
  if (button) answer(button);
  else if (key === "u") undo();
  else if (key === "i" || key === "o") marks.toggle({ i: "left", o: "right" }[key]);
  else if (key === "k") marks.ask();
  else if (key === "r") retry();
  else if (key === "d" && overlay) overlay.toggle();
  else if (key === "0" || key === "escape") zoom.reset();
  else if (key === "p") document.querySelector(".prompts").toggleAttribute("open");
  else return;
  event.preventDefault();
});

show(pair);
