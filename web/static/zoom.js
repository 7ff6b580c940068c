// Two pictures behind one glass: what is done to one pane is done to the other,
// so that the same place of both can be looked at. Scale 1 shows all of it.

const most = 16;

export class Zoom {
  // panes are the elements that show one picture each, all of one size.
  constructor(panes) {
    this.panes = panes;
    this.pointers = new Map();
    for (const pane of panes) {
      pane.addEventListener("wheel", (e) => this.wheel(pane, e), { passive: false });
      pane.addEventListener("pointerdown", (e) => this.down(pane, e));
      pane.addEventListener("pointermove", (e) => this.move(pane, e));
      for (const end of ["pointerup", "pointercancel"]) {
        pane.addEventListener(end, (e) => this.pointers.delete(e.pointerId));
      }
      pane.addEventListener("dblclick", (e) => this.double(pane, e));
    }
    this.reset();
  }

  reset() {
    this.scale = 1;
    this.x = this.y = 0; // of the middle, in shares of the pane
    this.show();
  }

  // about scales by factor and keeps the point (px, py), in shares of the pane
  // from its middle, where it is.
  about(factor, px, py) {
    const scale = Math.min(most, Math.max(1, this.scale * factor));
    const f = scale / this.scale;
    this.x = px + (this.x - px) * f;
    this.y = py + (this.y - py) * f;
    this.scale = scale;
    this.show();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.show();
  }

  show() {
    const room = (this.scale - 1) / 2; // the picture may not leave its pane
    this.x = Math.min(room, Math.max(-room, this.x));
    this.y = Math.min(room, Math.max(-room, this.y));
    for (const pane of this.panes) {
      const glass = pane.querySelector(".glass");
      glass.style.transform = this.scale === 1 ? "" :
        `translate(${this.x * 100}%, ${this.y * 100}%) scale(${this.scale})`;
      pane.classList.toggle("closer", this.scale > 1);
    }
  }

  // at is where an event happened, in shares of its pane from the middle.
  at(pane, event) {
    const box = pane.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
  }

  wheel(pane, event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.about(Math.exp(-event.deltaY * lines / 300), ...this.at(pane, event));
  }

  double(pane, event) {
    if (this.scale > 1) this.reset();
    else this.about(3, ...this.at(pane, event));
  }

  down(pane, event) {
    if (event.button !== 0) return;
    pane.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(pane, event));
  }

  move(pane, event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.at(pane, event);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) { // two fingers: their distance is the scale, about the one at rest
      const span = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      if (span(before) > 0.02) this.about(span(now) / span(before), ...other);
    } else {
      this.pan(now[0] - before[0], now[1] - before[1]);
    }
    this.pointers.set(event.pointerId, now);
  }
}
