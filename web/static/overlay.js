// The button that lays over both pictures of a comparison where they differ. It
// says nothing of which is better, and is off when a pair appears.

import { lay, words } from "./difference.js";

export class Overlay {
  // button switches; layers are the overlays of the left and the right picture;
  // say shows a sentence.
  constructor(button, layers, say) {
    this.button = button;
    this.layers = layers;
    this.say = say;
    this.name = button.firstChild; // the text before the key
    button.hidden = false;
    button.disabled = true;
    button.addEventListener("click", () => this.toggle());
  }

  // of says which pictures are shown.
  of(left, right) {
    this.urls = [`/difference/${left}/${right}`, `/difference/${right}/${left}`];
    this.button.disabled = false;
  }

  off() {
    this.urls = null;
    this.asked = null;
    this.button.disabled = true;
    this.press(false, "Difference ");
  }

  press(on, text) {
    this.button.setAttribute("aria-pressed", on);
    this.name.data = text;
    for (const layer of this.layers) layer.hidden = !on;
  }

  async toggle() {
    if (!this.urls) return;
    const asked = (this.asked = {}); // what comes after another click is not shown
    if (this.button.getAttribute("aria-pressed") === "true") {
      this.press(false, "Difference ");
      return;
    }
    this.name.data = "Looking… ";
    try {
      const told = [];
      for (const [i, layer] of this.layers.entries()) told.push(await lay(layer, this.urls[i]));
      if (asked !== this.asked) return;
      this.press(true, "Difference ");
      this.say(words(told[0]));
    } catch (error) {
      if (asked !== this.asked) return;
      this.press(false, "Difference ");
      this.say(`The difference cannot be shown: ${error.message}.`);
    }
  }
}
