// The map's keys: arrows go to the next occupied cell in that direction,
// Escape closes the tooltip.

const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const table = document.querySelector("table.map");

function place(link) {
  const td = link.closest("td");
  return [td.cellIndex, td.parentElement.rowIndex];
}

// next returns the occupied cell nearest in the direction of a key: straight
// ahead counts more than aside.
function next(from, [dx, dy]) {
  const [x, y] = place(from);
  let best = null, least = Infinity;
  for (const link of table.querySelectorAll("a.cell")) {
    const [u, v] = place(link);
    const ahead = (u - x) * dx + (v - y) * dy;
    const aside = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
    if (ahead > 0 && ahead + 2 * aside < least) {
      best = link;
      least = ahead + 2 * aside;
    }
  }
  return best;
}

table?.addEventListener("keydown", (event) => {
  const way = ways[event.key];
  const link = event.target.closest("a.cell");
  if (!way || !link || event.ctrlKey || event.metaKey || event.altKey) return;
  const to = next(link, way);
  if (to) {
    event.preventDefault();
    to.focus();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") table?.classList.add("hush");
});
for (const kind of ["pointerover", "focusin"]) {
  table?.addEventListener(kind, (event) => {
    if (event.target.closest("td") !== table.hushed) table.classList.remove("hush");
    table.hushed = event.target.closest("td");
  });
}
