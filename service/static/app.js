"use strict";
// The pages work without this. It keeps lists fresh, follows a run, and says times as people do.

const LIST_EVERY_MS = 3000;

function ago(time) {
  const seconds = Math.round((Date.now() - Date.parse(time.dateTime)) / 1000);
  const steps = [[60, 1, "second"], [3600, 60, "minute"], [86400, 3600, "hour"], [2592000, 86400, "day"]];
  const step = steps.find(([limit]) => Math.abs(seconds) < limit);
  if (!step) return;
  const form = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  time.textContent = form.format(-Math.round(seconds / step[1]), step[2]);
}

const sayTimes = () => document.querySelectorAll("time").forEach(ago);

// The list of runs: the same page again, of which only the list is taken.
async function refreshList() {
  const live = document.querySelector("#live[data-live]");
  if (!live || document.hidden || live.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#live");
  if (fresh && fresh.innerHTML !== live.dataset.seen) {
    live.dataset.seen = fresh.innerHTML;
    live.replaceChildren(...fresh.childNodes);
    sayTimes();
  }
}

// One run: its lines as they come; at its end the page is loaded again, with everything in it.
function follow(list) {
  const source = new EventSource(`${list.dataset.follow}?after=${list.dataset.after}`);
  source.addEventListener("progress", (event) => {
    const line = JSON.parse(event.data);
    const item = document.createElement("li");
    const what = document.createElement("span");
    const sub = document.createElement("span");
    const when = document.createElement("time");
    what.className = "what";
    what.textContent = line.message;
    sub.className = "sub";
    when.dateTime = line.at;
    sub.append(line.state.replaceAll("_", " ") + " · ", when);
    item.append(what, " ", sub);
    item.className = "busy";
    list.append(item);
    const badge = document.querySelector("#state .badge");
    if (badge) badge.textContent = line.state.replaceAll("_", " ");
    sayTimes();
  });
  source.addEventListener("end", () => { source.close(); location.reload(); });
  addEventListener("pagehide", () => source.close());
}

// A question: the answer is written as it is said, always as text.
async function ask(form) {
  const box = document.querySelector("#answer");
  const text = box.querySelector(".answer");
  const button = form.querySelector("button");
  box.hidden = false;
  text.textContent = "…";
  button.disabled = true;
  try {
    const answer = await fetch("/chat", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      text.textContent = problem.detail || `There is no answer (${answer.status}).`;
      return;
    }
    text.textContent = "";
    for await (const [name, data] of events(answer.body)) {
      if (name === "text") text.textContent += data.text;
      if (name === "error") text.textContent += `\n${data.detail}`;
    }
  } catch {
    text.textContent = "The connection was lost.";
  } finally {
    button.disabled = false;
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value.replaceAll("\r\n", "\n");
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block);
      const data = /^data: (.*)$/m.exec(block);
      if (name && data) yield [name[1], JSON.parse(data[1])];
    }
  }
}

sayTimes();
setInterval(sayTimes, 15000);
if (document.querySelector("#live[data-live]")) {
  setInterval(() => refreshList().catch(() => {}), LIST_EVERY_MS);
}
const progress = document.querySelector("#progress[data-follow]");
if (progress) follow(progress);
const form = document.querySelector("#ask");
if (form) form.addEventListener("submit", (event) => { event.preventDefault(); ask(form); });
