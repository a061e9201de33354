// What makes the pages livelier. Without it everything still works, but for the live parts.
"use strict";
(() => {
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

  // Times in the reader's own zone; the server's words, in UTC, stay in the title.
  function localize() {
    for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.textContent = (time.classList.contains("clock") ? clock : day).format(at);
      time.dataset.local = "";
    }
  }

  // Durations that go on: counted from when they were drawn, so that the two clocks need not agree.
  const drawn = new WeakMap();
  function words(seconds) {
    const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "m"], [seconds % 60, "s"]];
    while (parts.length > 1 && parts[0][0] === 0) parts.shift();
    return parts.map(([number, unit]) => number + unit).join(" ");
  }
  function tick() {
    for (const element of document.querySelectorAll("[data-seconds], [data-until]")) {
      const up = "seconds" in element.dataset;
      const told = Number(up ? element.dataset.seconds : element.dataset.until);
      let since = drawn.get(element);
      if (!since || since.told !== told) drawn.set(element, (since = { told, at: performance.now() }));
      const passed = Math.floor((performance.now() - since.at) / 1000);
      const seconds = up ? told + passed : Math.max(0, told - passed);
      if (seconds < 172800) element.textContent = up ? words(seconds) : "in " + words(seconds);
    }
  }

  // The log follows its end until the reader scrolls up.
  const log = document.getElementById("log-box");
  const lines = document.getElementById("log");
  const follow = document.getElementById("follow");
  const MOST_LINES = 3000;
  let following = true;
  function toTheEnd() {
    if (!log || !following) return;
    while (lines.childElementCount > MOST_LINES) lines.firstElementChild.remove();
    log.scrollTop = log.scrollHeight;
  }
  if (log) {
    log.addEventListener("scroll", () => {
      following = log.scrollTop + log.clientHeight >= log.scrollHeight - 24;
      if (follow) follow.hidden = following;
    });
    toTheEnd();
  }
  follow?.addEventListener("click", () => { following = true; follow.hidden = true; toTheEnd(); log.focus(); });

  // Whether the page is live is told, and so is that the connection is lost.
  const live = document.getElementById("live");
  function tell(text, lost) {
    if (!live) return;
    live.hidden = false;
    live.textContent = text;
    live.classList.toggle("lost", lost);
  }
  document.addEventListener("htmx:sse:after:connection", () => tell("Live", false));
  document.addEventListener("htmx:sse:error", (event) => {
    if (event.detail?.status === 401) location.reload(); // the session is over: the server leads to the form
    else tell("Connection lost, trying again", true);
  });
  document.addEventListener("htmx:sse:close", (event) => {
    if (event.detail?.reason === "message" && live) live.hidden = true;
  });
  document.addEventListener("htmx:after:swap", () => { localize(); tick(); toTheEnd(); });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) { event.preventDefault(); return; }
    if (form.method !== "post") return;
    setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("button:disabled").forEach((button) => { button.disabled = false; }));
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector('[data-key="/"]');
    if (search) { event.preventDefault(); search.focus(); }
  });

  localize();
  tick();
  setInterval(tick, 1000);
})();
