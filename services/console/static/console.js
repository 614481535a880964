// Keeps the overview current and follows the tail. Without it, pages are refreshed by hand.
const overview = document.querySelector("[data-refresh]");
if (overview) {
  setInterval(async () => {
    if (document.hidden || overview.contains(document.activeElement)) return;
    const answer = await fetch(overview.dataset.refresh).catch(() => null);
    if (answer?.ok) overview.innerHTML = await answer.text();
  }, 3000);
}

const tail = document.querySelector("[data-live]");
if (tail) {
  const [rows, state, pause, skipped] = ["rows", "state", "pause", "skipped"].map((id) => document.getElementById(id));
  const shown = 200;
  let paused = false, left = 0;
  const say = (text, live) => { state.textContent = text; state.dataset.state = live ? "on" : "off"; };
  const stream = new EventSource(tail.dataset.live);
  stream.onopen = () => say("Live", true);
  stream.onerror = () => say("Connection lost, trying again", false);
  stream.addEventListener("rows", (event) => {
    if (paused) return;
    rows.insertAdjacentHTML("afterbegin", event.data);
    while (rows.rows.length > shown) rows.lastElementChild.remove();
  });
  stream.addEventListener("skipped", (event) => { left += Number(event.data); skipped.textContent = `${left} records not shown`; });
  pause.hidden = false;
  pause.addEventListener("click", () => { paused = !paused; pause.textContent = paused ? "Resume" : "Pause"; });
}
