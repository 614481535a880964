// Keeps the phones on a page current and sends their forms without leaving it. Without it everything works by reload.
"use strict";

const state = document.querySelector(".live");
const TEXT = "input[name=text]:not([type=hidden])";  // buttons of a keyboard have a hidden one

function connected(on) {
  state.dataset.state = on ? "on" : "off";
  state.textContent = on ? state.dataset.on : state.dataset.off;
}

function bottom(panel) {
  const talk = panel.querySelector(".talk");
  talk.scrollTop = talk.scrollHeight;
}

// What somebody is typing, where the focus is and what is open must survive the exchange of a panel.
async function refresh(panel) {
  const answer = await fetch(panel.dataset.src);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  const current = document.getElementById(panel.id);
  if (!fresh || !current) return;
  const typed = current.querySelector(TEXT);
  const box = fresh.querySelector(TEXT);
  const focused = typed && document.activeElement === typed;
  if (typed && box) box.value = typed.value;
  const open = current.querySelector("details[open]");
  const share = fresh.querySelector("details");
  if (open && share) share.open = true;
  const inside = current.contains(document.activeElement);
  current.replaceWith(fresh);
  bottom(fresh);
  if (focused && box) box.focus();
  else if (inside) fresh.querySelector(".talk").focus({preventScroll: true});
}

const running = new Map();

function renew(panel) {  // one fetch at a time per panel, and one more if it changed meanwhile
  const wait = running.get(panel.id);
  if (wait) { wait.again = true; return; }
  const mark = {again: false};
  running.set(panel.id, mark);
  refresh(panel).catch(() => connected(false)).finally(() => {
    running.delete(panel.id);
    if (mark.again) renew(document.getElementById(panel.id));
  });
}

function changed(keys) {
  const panels = [...document.querySelectorAll("[data-live]")];
  const shown = new Set(panels.map(panel => panel.dataset.live));
  for (const panel of panels) if (keys.includes(panel.dataset.live) || keys.includes("all")) renew(panel);
  for (const note of document.querySelectorAll("[data-news]")) {
    const wanted = note.dataset.news.split(" ");
    if (keys.some(key => !shown.has(key) && wanted.some(start => key.startsWith(start)))) note.hidden = false;
  }
}

document.addEventListener("submit", async event => {
  const form = event.target;
  const panel = form.closest("[data-live]");
  if (!panel || form.method !== "post") return;
  event.preventDefault();
  const button = event.submitter;
  if (button && button.getAttribute("aria-disabled") === "true") return;
  if (button) button.setAttribute("aria-disabled", "true");
  const sent = form.querySelector(TEXT)?.value;
  try {
    const answer = await fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual"});
    if (answer.type !== "opaqueredirect") { form.submit(); return; }
    const current = document.getElementById(panel.id) ?? panel;  // the panel may have been exchanged meanwhile
    const box = current.querySelector(TEXT);
    if (box && box.value === sent) box.value = "";
    renew(current);
  } catch {
    connected(false);  // what was typed stays
  } finally {
    if (button) button.removeAttribute("aria-disabled");
  }
});

document.querySelectorAll("[data-live]").forEach(bottom);
document.getElementById("error")?.focus();
const source = new EventSource("/live");
source.addEventListener("hello", () => {
  if (state.dataset.seen) document.querySelectorAll("[data-live]").forEach(renew);  // what was missed while away
  state.dataset.seen = "yes";
  connected(true);
});
source.addEventListener("changed", event => changed(event.data.split(" ")));
source.addEventListener("error", () => connected(false));
