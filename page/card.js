// What the card that sends shows: a headline, buttons, steps, a row for each file, and the meter.

import { button, bytes, count, duration, el, say, show, ui } from "./dom.js";
import { rescueFrom } from "./status.js";

/** `sending`: bytes are on their way; `running`: or their fate is being watched; `rechosen`: takes a file that was chosen again. */
export const work = { sending: false, running: false };

export const differs = (f) => /new|^changed/.test(f.kind);

/** True for a file of the updater itself: it is left alone unless the person says otherwise. */
export const held = (f) => f.guarded && differs(f) && !ui.guarded.checked;

const over = (f) => /sent|saved|deleted|live/.test(f.state);

export const unsent = (files) => files.filter((f) => !over(f));
export const sum = (files) => files.reduce((total, f) => total + f.size, 0);

/** What the card says now, and what can be done. */
export function face(headline, detail, ...buttons) {
  // The focus follows where what had it goes away.
  const active = document.activeElement;
  const lost = [document.body, ui.pickFiles, ui.pickFolder].includes(active) || ui.buttons.contains(active);
  ui.headline.textContent = headline;
  ui.detail.textContent = detail;
  ui.buttons.replaceChildren(...buttons);
  show(true, ui.work);
  show(false, ui.error, ui.trace);
  say(headline);
  if (lost) ui.headline.focus({ preventScroll: true });
}

/** Says what went wrong, below the headline. */
export function fail(failure) {
  ui.error.textContent = failure.message;
  show(true, ui.error);
  show(failure.traceback, ui.trace);
  ui.trace.textContent = failure.traceback;
  say(failure.message);
  ui.buttons.append(rescueFrom(failure) || "");
}

/** Marks the *n*-th of the steps as the present one. */
export function step(n) {
  show(true, ui.steps);
  [...ui.steps.children].forEach((item, i) => {
    item.className = i < n ? "done" : "";
    item.ariaCurrent = i === n ? "step" : null;
  });
}

const rank = (f) => (f.kind === "failed" ? 0 : held(f) ? 4 : { delete: 2, unchanged: 3 }[f.kind] || 1);

/** Shows a row for each of *files*, what needs attention first. */
export function paintRows(files) {
  const shown = [...files].sort((a, b) => rank(a) - rank(b));
  shown.forEach(paint);
  ui.rows.replaceChildren(...shown.map((f) => f.row));
}

const COLOURS = { saved: "good", live: "good", deleted: "good", "taken back": "bad", new: "good", changed: "warn", uploading: "warn", delete: "bad", failed: "bad" };

/** Brings the row of a file up to date. */
export function paint(f) {
  if (!f.row) {
    f.chip = el("span");
    f.bar = el("progress", { max: f.size || 1, ariaLabel: f.path });
    f.reason = el("small");
    const input = el("input", { type: "file", className: "unseen", onchange: () => work.rechosen(f, input.files[0]) });
    f.pick = el("label", { className: "button small" }, "Choose it again", input);
    f.row = el("li", {}, el("span", { className: "name mono" }, f.path), el("span", { className: "size" }, bytes(f.size)), f.chip, f.bar, f.reason, f.pick);
  }
  const word = held(f) ? "updater, left alone" : work.sending || f.state !== "waiting" ? f.state : f.kind;
  f.chip.textContent = word;
  f.chip.className = "chip " + COLOURS[word];
  f.row.className = held(f) || f.kind === "unchanged" ? "calm" : "";
  f.bar.value = f.size ? f.sent : over(f);
  show(work.sending && differs(f) && !held(f), f.bar);
  f.reason.textContent = f.why || "";
  show(f.stale && !work.running, f.pick);
}

/** Returns a function that paints amount, speed over the last seconds and time left. */
export function meter(job) {
  const began = performance.now() / 1000;
  const marks = [];
  return () => {
    const size = sum(job.files);
    const all = [...job.files, ...job.gone];
    const sent = job.files.reduce((n, f) => n + f.sent, 0);
    const now = performance.now() / 1000;
    // The network takes some at once, which says nothing of the device.
    if (now > began + 1) marks.push([now, sent]);
    if (marks[1]?.[0] < now - 6) marks.shift();
    const [then, before] = marks[0] || [];
    const speed = Math.round((sent - before) / (now - then));
    ui.total.max = size || 1;
    ui.total.value = sent;
    ui.amount.textContent = `${bytes(sent)} of ${bytes(size)}, ${all.length - unsent(all).length} of ${count(all.length, "file")}`;
    ui.pace.textContent = speed > 0 && sent < size ? `${bytes(speed)}/s, ${duration((size - sent) / speed)} left` : "";
  };
}
