// The profile: the difference from another picture is laid over this one. Without
// scripts the links open the overlay by itself.

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
