// Keys 1 to 3 and s answer which picture is the odd one out, and the time from
// showing all three to the answer goes with it. The form does the rest, so that an
// answer is stored before the next three are shown; it is sent once.

const form = document.getElementById("triplet");

if (form) {
  const pictures = [...form.querySelectorAll("img")];
  const buttons = [...form.querySelectorAll("button[name=odd]")];
  let shownAt = 0;
  Promise.all(pictures.map((img) => img.decode())).then(() => requestAnimationFrame(() => {
    shownAt = performance.now();
    form.dataset.state = "ready";
  }), () => {}); // a picture that cannot be shown has no time; it can be skipped

  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    form.elements.latency_ms.value = shownAt ? Math.max(1, Math.round(performance.now() - shownAt)) : 0;
  });
  addEventListener("pageshow", () => { sent = false; });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const value = { 1: "0", 2: "1", 3: "2", s: "-1" }[event.key.toLowerCase()];
    if (value === undefined) return;
    event.preventDefault();
    form.requestSubmit(buttons.find((b) => b.value === value));
  });
}
