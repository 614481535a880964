// Keeps the overview current and follows the tail. Without it, pages are refreshed by hand.
const state = document.getElementById("state");
const say = (text, live) => { state.textContent = text; state.dataset.state = live ? "on" : "off"; };

const overview = document.querySelector("[data-refresh]");
if (overview) {
  const refresh = async () => {
    if (!document.hidden && !overview.contains(document.activeElement)) {
      const answer = await fetch(overview.dataset.refresh).catch(() => null);
      if (answer?.status === 401) return location.reload();
      if (answer?.ok) overview.innerHTML = await answer.text();
      say(answer?.ok ? "Live" : "Not current: no answer, trying again", answer?.ok);
    }
    setTimeout(refresh, 3000);
  };
  state.hidden = false;
  setTimeout(refresh, 3000);
}

const tail = document.querySelector("[data-live]");
if (tail) {
  const [rows, pause, skipped] = ["rows", "pause", "skipped"].map((id) => document.getElementById(id));
  const shown = 200;
  let paused = false, left = 0;
  const stream = new EventSource(tail.dataset.live);
  const closed = () => stream.readyState === EventSource.CLOSED;
  stream.onopen = () => say("Live", true);
  stream.onerror = () => say(closed() ? "Stopped: load this page again" : "Connection lost, trying again", false);
  stream.addEventListener("rows", (event) => {
    if (paused) return;
    rows.insertAdjacentHTML("afterbegin", event.data);
    while (rows.rows.length > shown) rows.lastElementChild.remove();
  });
  stream.addEventListener("skipped", (event) => { left += Number(event.data); skipped.textContent = `${left} records not shown`; });
  pause.hidden = false;
  pause.addEventListener("click", () => { paused = !paused; pause.textContent = paused ? "Resume" : "Pause"; });
}
