// Favourites on the comparison page: interesting images, and the one breakthrough
// of a series, which moves from one image to another only when that is said twice.
// A mark shows as given only once the server has stored it.

const $ = (id) => document.getElementById(id);

// sided names a side; where the pictures stand above each other, the style sheet
// shows top and bottom.
function sided(side) {
  const both = document.createElement("span");
  for (const [text, kind] of [[side, "across"], [{ left: "top", right: "bottom" }[side], "down"]]) {
    const e = both.appendChild(document.createElement("span"));
    e.textContent = text;
    e.className = kind;
  }
  return both;
}

export class Marks {
  constructor(round, say) {
    this.round = round;
    this.say = say;
    this.marks = round.marks;
    this.buttons = [...document.querySelectorAll("[data-mark]")];
    $("crown").addEventListener("close", () => this.crown($("crown").returnValue));
    for (const b of document.querySelectorAll("[data-crown]")) {
      b.addEventListener("click", () => $("crown").close(b.dataset.crown));
    }
  }

  get asking() {
    return $("crown").open;
  }

  // of shows the marks of a pair.
  of(pair) {
    this.pair = pair;
    for (const b of this.buttons) {
      const given = Boolean(this.find(pair[b.dataset.mark], "interesting"));
      b.setAttribute("aria-pressed", given);
      b.firstChild.textContent = given ? "★ " : "☆ ";
    }
    const here = this.sideOf(this.held);
    $("breakthrough").setAttribute("aria-pressed", Boolean(here));
    $("breakthrough").firstChild.textContent = here ? "Breakthrough ✓" : "Breakthrough…";
  }

  get held() {
    return this.marks.find((m) => m.kind === "breakthrough");
  }

  sideOf(mark) {
    return mark && ["left", "right"].find((side) => this.pair[side] === mark.image);
  }

  find(image, kind) {
    return this.marks.find((m) => m.image === image && m.kind === kind);
  }

  // toggle gives "interesting" to the picture of a side, or takes it back.
  toggle(side) {
    const image = this.pair?.[side];
    if (!image) return;
    const given = this.find(image, "interesting");
    this.send(given ? { take_back: given.id } : { image, kind: "interesting", round: this.round.round },
      side, given ? " is no longer marked." : " is marked as interesting.");
  }

  // ask opens the question about the breakthrough, which names its holder.
  ask() {
    if (!this.pair || this.asking) return;
    const held = this.held, here = this.sideOf(held);
    $("crown-held").hidden = !held;
    if (held) $("crown-held").querySelector("img").src = `/thumb/${held.image}`;
    for (const b of document.querySelectorAll("[data-crown]")) {
      const side = b.dataset.crown;
      if (side === "back") b.hidden = !held;
      if (side in this.pair) {
        b.hidden = side === here;
        b.querySelector("img").src = `/thumb/${this.pair[side]}`;
      }
    }
    $("crown").returnValue = "";
    $("crown").showModal();
    document.querySelector('[data-crown=""]').focus(); // what changes nothing comes first; an autofocus attribute would act when the page loads
  }

  crown(side) {
    const held = this.held;
    if (side === "back" && held) this.send({ take_back: held.id }, "", "No picture is the breakthrough now.");
    else if (side === "left" || side === "right") {
      const body = { image: this.pair[side], kind: "breakthrough", round: this.round.round, transfer: Boolean(held) };
      this.send(body, side, " is the breakthrough.");
    }
  }

  // send posts a mark and says what became of it; told is said of a side, if there is one.
  async send(body, side, told) {
    try {
      const response = await fetch("/compare/mark", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(20000),
      });
      const reply = await response.json();
      if (response.status === 409 && reply.holder) { // given elsewhere meanwhile
        this.marks = reply.marks;
        this.of(this.pair);
        this.ask();
        return;
      }
      if (!response.ok) throw new Error(reply.error ?? `the server answers ${response.status}`);
      this.marks = reply.marks;
      this.of(this.pair);
      this.say(...(side ? ["The ", sided(side), ` picture${told}`] : [told]));
    } catch (error) {
      this.say(`Not stored: ${error.message}.`);
    }
  }
}
