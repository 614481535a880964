// What HTML alone cannot do: say whether the page is live, keep a form from being sent twice, show errors first.
// Every page works without it.
(() => {
  const root = document.documentElement;
  const live = document.getElementById("live");

  const show = state => {
    root.dataset.live = state;
    const since = document.getElementById("live-since");
    if (state === "off" && since && !since.textContent) {
      const ist = {hour: "numeric", minute: "2-digit", hour12: true, timeZone: "Asia/Kolkata"};
      since.textContent = new Intl.DateTimeFormat("en-IN", ist).format(new Date());
    }
    if (state === "on" && since) since.textContent = "";
  };
  if (live) {
    live.addEventListener("htmx:sse:after:connection", () => show("on"));
    for (const name of ["htmx:sse:error", "htmx:error", "htmx:response:error"]) live.addEventListener(name, () => show("off"));
    addEventListener("offline", () => show("off"));
    // "Now" is true for some seconds only.
    live.addEventListener("htmx:sse:after:message", () => setTimeout(() => {
      for (const mark of document.querySelectorAll(".new")) mark.remove();
      for (const card of document.querySelectorAll(".changed")) card.classList.remove("changed");
    }, 6000));
  }

  // The form was received once: a second click within the second, or while the answer is awaited, does nothing.
  document.addEventListener("submit", event => {
    const button = event.submitter ?? event.target.querySelector("button");
    if (!button) return;
    if (button.getAttribute("aria-disabled") === "true") return event.preventDefault();
    button.setAttribute("aria-disabled", "true");
    if (button.dataset.busy) {
      button.style.minWidth = `${button.offsetWidth}px`; // else the link beside it slides under a second click
      button.dataset.rest = button.textContent;
      button.textContent = button.dataset.busy;
    }
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[aria-disabled]")) {
      button.removeAttribute("aria-disabled");
      if (button.dataset.rest) button.textContent = button.dataset.rest;
    }
  });

  document.querySelector(".note.error[role=alert]")?.focus();
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
})();
