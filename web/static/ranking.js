// Putting pictures in order: by dragging with a pointer or a finger, by the arrow
// buttons, or by the keyboard (space lifts a picture, arrows move it, space drops
// it). The places are those of the form's lists, so that the order is stored as it
// would be without a script.

const list = document.querySelector(".sortable");
const said = document.getElementById("said");
const kept = `assay order ${document.querySelector("[name=ranking]")?.value}`;
let lifted = null;

const items = () => [...list.children];
const placeOf = (li) => items().indexOf(li) + 1;

function renumber() {
  items().forEach((li, i) => {
    li.querySelector(".place").textContent = i + 1;
    li.querySelector("select").value = String(i + 1);
    li.setAttribute("aria-label", `Picture at place ${i + 1}${li === lifted ? ", lifted" : ""}`);
  });
  try {
    sessionStorage.setItem(kept, items().map((li) => li.dataset.image).join(" "));
  } catch { /* a browser that keeps nothing: a reload begins anew */ }
}

// resume puts the pictures as they were before a reload, if they are the same.
function resume() {
  let ids = [];
  try {
    ids = sessionStorage.getItem(kept)?.split(" ") ?? [];
  } catch { /* as above */ }
  const of = new Map(items().map((li) => [li.dataset.image, li]));
  if (ids.length !== of.size || new Set(ids).size !== of.size || !ids.every((id) => of.has(id))) return;
  list.append(...ids.map((id) => of.get(id)));
  renumber();
}

// columns is how many pictures stand beside each other.
const columns = () => getComputedStyle(list).gridTemplateColumns.split(" ").length;

function move(li, by) {
  const all = items(), to = all.indexOf(li) + by;
  if (to < 0 || to >= all.length) return;
  by < 0 ? list.insertBefore(li, all[to]) : list.insertBefore(li, all[to].nextSibling);
  renumber();
  said.textContent = `Moved to place ${placeOf(li)} of ${all.length}.`;
}

function lift(li) {
  lifted?.classList.remove("lifted");
  lifted = lifted === li ? null : li;
  lifted?.classList.add("lifted");
  renumber();
  said.textContent = lifted ? `Lifted at place ${placeOf(li)}; the arrow keys move it, space drops it.` : `Dropped at place ${placeOf(li)}.`;
}

if (list) {
  resume();
  list.classList.add("live");
  for (const li of items()) {
    li.querySelector(".moves").hidden = false;
    li.querySelector("img").draggable = false;
  }
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    move(button.closest("li"), Number(button.dataset.move));
    button.focus();
  });
  list.addEventListener("keydown", (event) => {
    const li = event.target;
    if (li.parentElement !== list) return;
    const by = { ArrowUp: -columns(), ArrowLeft: -1, ArrowDown: columns(), ArrowRight: 1 }[event.key];
    if (event.key === " ") lift(li);
    else if (by && lifted === li) {
      move(li, by);
      li.focus();
    } else if (by) items()[items().indexOf(li) + by]?.focus();
    else return;
    event.preventDefault();
  });
  let held = null, at = null; // the picture being dragged, and where the pointer is
  list.addEventListener("pointerdown", (event) => {
    const li = event.target.closest("li");
    if (!li || !event.target.closest(".thumb, .place") || event.button > 0) return;
    held = li;
    at = event;
    scroll();
    li.classList.add("lifted");
    list.setPointerCapture(event.pointerId);
  });
  list.addEventListener("pointermove", (event) => {
    if (!held) return;
    at = event;
    const over = document.elementFromPoint(event.clientX, event.clientY)?.closest(".sortable > li");
    if (over && over !== held) move(held, placeOf(over) - placeOf(held));
  });
  // scroll follows a drag beyond the edges of the window.
  function scroll() {
    if (!held) return;
    const edge = 56, below = at.clientY - (innerHeight - edge), above = edge - at.clientY;
    if (below > 0 || above > 0) scrollBy(0, Math.min(edge, Math.max(below, above)) / 4 * (below > 0 ? 1 : -1));
    requestAnimationFrame(scroll);
  }
  for (const name of ["pointerup", "pointercancel"]) {
    list.addEventListener(name, () => {
      held?.classList.remove("lifted");
      held = null;
    });
  }
}
