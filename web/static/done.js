// The end of a round: u takes the last answer back, as it does during the round.

document.addEventListener("keydown", (event) => {
  if (event.key === "u" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) {
    document.getElementById("undo").click();
  }
});
