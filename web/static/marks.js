// Favourites on the comparison page: interesting images, and the one breakthrough
// of a series, which moves from one image to another only when that is said twice.
// A mark shows as given only once the server has stored it.

const $ = (id) => document.getElementById(id);

export class Marks {
  constructor(round, say) {
    this.round = round;
    this.say = say;
    this.marks = round.marks;
    this.buttons = [...document.querySelectorAll("[data-mark]")];
    $("breakthrough").hidden = false;
    $("breakthrough").addEventListener("click", () => this.ask());
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
    const held = this.marks.find((m) => m.kind === "breakthrough");
    const here = held && ["left", "right"].find((side) => pair[side] === held.image);
    $("breakthrough").setAttribute("aria-pressed", Boolean(here));
    $("breakthrough").textContent = here ? "Breakthrough ✓" : "Breakthrough…";
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
      given ? `The ${side} picture is no longer marked.` : `The ${side} picture is marked as interesting.`);
  }

  ask() {
    const held = this.marks.find((m) => m.kind === "breakthrough");
    $("crown-held").textContent = held && held.image !== this.pair.left && held.image !== this.pair.right
      ? `It is another picture now, ${held.image.slice(0, 12)}, and would move here.`
      : "There is one a series: it beats the bar and what is shown in this round.";
    $("crown").returnValue = "";
    $("crown").showModal();
  }

  crown(side) {
    const image = side && this.pair[side];
    if (!image) return;
    this.send({ image, kind: "breakthrough", round: this.round.round, transfer: true }, `The ${side} picture is the breakthrough.`);
  }

  async send(body, told) {
    try {
      const response = await fetch("/compare/mark", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(20000),
      });
      const reply = await response.json();
      if (!response.ok) throw new Error(reply.error ?? `the server answers ${response.status}`);
      this.marks = reply.marks;
      this.of(this.pair);
      this.say(told);
    } catch (error) {
      this.say(`Not stored: ${error.message}.`);
    }
  }
}
