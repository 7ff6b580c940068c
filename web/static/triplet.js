// Keys 1 to 3 and s answer which picture is the odd one out; the form does the
// rest, so that an answer is stored before the next three are shown.

const form = document.getElementById("triplet");

document.addEventListener("keydown", (event) => {
  if (!form || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const value = { 1: "0", 2: "1", 3: "2", s: "-1" }[event.key.toLowerCase()];
  if (value === undefined) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector(`button[name=odd][value="${value}"]`));
});
