// The profile: the difference from another picture is laid over this one, the
// region of a weakness is shown on it, and answers to questions are stored without
// leaving the page. Without scripts links open the overlay by itself and jump to
// the region, and answers are sent by forms.

import { lay, words } from "./difference.js";

const overlay = document.getElementById("overlay");
const said = document.getElementById("difference");
const links = [...document.querySelectorAll("a[data-difference]")];
let shown = null; // the link whose overlay is on the picture, or on its way

function label(link, on) {
  link.textContent = on ? "Hide the difference" : "Show the difference";
  link.setAttribute("aria-pressed", on);
}

function clear() {
  if (shown) label(shown, false);
  shown = null;
  overlay.hidden = said.hidden = true;
}

async function toggle(link) {
  const again = shown === link;
  clear();
  if (again) return;
  shown = link;
  label(link, true);
  said.hidden = false;
  said.textContent = "Looking for the difference…";
  try {
    const told = await lay(overlay, link.getAttribute("href"));
    if (shown !== link) return;
    overlay.hidden = false;
    said.textContent = `Difference from ${link.dataset.difference}: ${words(told)}`;
  } catch (error) {
    if (shown !== link) return;
    label(link, false);
    shown = null;
    said.textContent = `The difference cannot be shown: ${error.message}.`;
  }
}

for (const link of links) {
  link.setAttribute("role", "button");
  label(link, false);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    toggle(link);
  });
  link.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle(link);
  });
}

// Regions: shown while their link is pointed at or has the focus, and until the
// next press once it was pressed.

const regions = [...document.querySelectorAll("a[data-region]")];

function pin(link, on) {
  link.setAttribute("aria-pressed", on);
  show(link, on);
}

function show(link, on) {
  const kept = link.getAttribute("aria-pressed") === "true";
  document.getElementById(link.dataset.region).classList.toggle("shown", on || kept);
}

for (const link of regions) {
  link.setAttribute("role", "button");
  pin(link, false);
  const press = (event) => {
    event.preventDefault();
    const on = link.getAttribute("aria-pressed") !== "true";
    for (const other of regions) pin(other, false);
    pin(link, on);
    if (on) document.querySelector(".stack").scrollIntoView({ block: "nearest" });
  };
  link.addEventListener("click", press);
  link.addEventListener("keydown", (event) => {
    if (event.key === " ") press(event);
  });
  link.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") show(link, true);
  });
  link.addEventListener("pointerleave", () => show(link, link === document.activeElement && link.matches(":focus-visible")));
  link.addEventListener("focus", () => show(link, link.matches(":focus-visible")));
  link.addEventListener("blur", () => show(link, false));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const link of regions) pin(link, false);
});

// Answers: a click is confirmed once the server has it, and shows what the server
// has. Clicks on one question are sent one after another.

const kept = document.getElementById("kept");

// follow shows what an answer changed elsewhere on the page: the count of its
// dimension, and where the image stands if an axis is made of answers.
async function follow(dimension) {
  const response = await fetch(location.pathname);
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of [`details[data-dimension="${CSS.escape(dimension)}"] > summary`, ".placement"]) {
    const [old, now] = [document.querySelector(part), page.querySelector(part)];
    if (old && now) old.replaceChildren(...now.childNodes);
  }
}

function stored(answer) {
  const { p } = answer.belief;
  if (p === null) return "cannot tell";
  return p > 0.5 ? "yes" : "no";
}

async function say(form, answer) {
  const state = form.querySelector(".state");
  const asked = form.closest("li").querySelector(".asked").firstChild.textContent;
  const tell = (failed, text) => {
    form.classList.toggle("failed", failed);
    state.textContent = text;
    kept.textContent = `${text} ${asked}`;
  };
  try {
    const response = await fetch(form.getAttribute("action"), {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ question: form.elements.question.value, answer }),
    });
    const told = await response.json();
    if (!response.ok) throw new Error(told.error ?? `the server answers ${response.status}`);
    const said = stored(told);
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === said);
    tell(false, `Stored: ${said}.`);
  } catch (error) {
    tell(true, `Not stored: ${error.message}. Press again.`);
    return;
  }
  try {
    await follow(form.closest("details").dataset.dimension);
  } catch (error) {
    state.textContent += ` The count is not up to date: ${error.message}.`;
  }
}

for (const form of document.querySelectorAll("form.say")) {
  let before = Promise.resolve();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { value } = event.submitter;
    before = before.then(() => say(form, value));
  });
}
