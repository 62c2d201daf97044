// The card that sends: choose, compare, decide, send, watch, and say how it ended.

import { Failure } from "./api.js";
import { button, bytes, count, duration, el, say, show, ui } from "./dom.js";
import { fromDrop, fromInput } from "./pick.js";
import { compare, list } from "./plan.js";
import { comeBack, settle } from "./restart.js";
import { abandon, begin, commit, release, remove, save, stage } from "./send.js";
import { accept, attempt, counting, device, online, quietly, refresh, rescueFrom, restart } from "./status.js";
import { open } from "./browser.js";

let chosen;
let plan;
let stop = new AbortController();
let sending = false; // bytes are on their way
let running = false; // or their fate is being watched

const differs = (f) => /new|^changed/.test(f.kind);
// A file of the updater itself, left alone unless the person says otherwise.
const held = (f) => f.guarded && differs(f) && !ui.guarded.checked;
const changes = () => plan.files.filter((f) => differs(f) && !held(f));
const gone = () => (ui.mirror.checked ? plan.extra : []);
const unsent = (files) => files.filter((f) => !/written|deleted/.test(f.state));
const sum = (files) => files.reduce((total, f) => total + f.size, 0);
const mode = () => (plan.release ? "release" : document.querySelector("[name=mode]:checked").value);

function reset() {
  stop.abort();
  plan = chosen = null;
  show(true, ui.drop, ui.where);
  show(false, ui.work);
}

// What the card says now, and what can be done.
function face(headline, detail, ...buttons) {
  // The focus follows where what had it goes away.
  const active = document.activeElement;
  const lost = [document.body, ui.pickFiles, ui.pickFolder].includes(active) || ui.buttons.contains(active);
  ui.headline.textContent = headline;
  ui.detail.textContent = detail;
  ui.buttons.replaceChildren(...buttons);
  show(true, ui.work);
  show(false, ui.error);
  say(headline);
  if (lost) ui.headline.focus({ preventScroll: true });
}

// Says what went wrong, below the headline.
function fail(failure) {
  ui.error.textContent = failure.message;
  show(true, ui.error);
  say(failure.message);
  ui.buttons.append(rescueFrom(failure) || "");
}

/** Starts over with what was chosen; everything before is forgotten. */
async function choose(made) {
  if (running || !made.entries.length) return;
  reset();
  chosen = made;
  ui.mirror.checked = ui.guarded.checked = ui.inside.checked = false;
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString();
  ui.version.value = device.update?.version || now.slice(0, 16).replaceAll("-", ".").replace("T", "-").replace(":", "");
  const [{ file }] = made.entries;
  show(false, ui.drop, ui.choices, ui.steps, ui.overall);
  ui.rows.replaceChildren();
  if (!made.entries[1] && file.name.endsWith(".swu")) {
    plan = { files: [{ file, path: file.name, size: file.size, sent: 0, state: "waiting", kind: "new" }], extra: [], release: true };
    show(false, ui.where);
    propose();
  } else if (device.require_signed) {
    face("Not signed", "", button("Close", reset));
    fail({ message: "A public key is set on this device, so it refuses files that nobody signed. Choose one release file (.swu)." });
  } else {
    look(true);
  }
}

// Compares with the device. At *first* a folder goes into its namesake there, if it has one.
async function look(first) {
  stop.abort();
  const { signal } = (stop = new AbortController());
  const target = (ui.target.value = `/${ui.target.value}/`.replace(/\/+/g, "/"));
  show(false, ui.choices);
  face("Comparing with the device…", "", button("Cancel", reset));
  try {
    if (first === true && chosen.folder) {
      ui.inside.checked = (await list(target, signal)).some((f) => f.directory && f.name === chosen.folder);
    }
    const top = ui.inside.checked ? target + chosen.folder + "/" : target;
    plan = await compare(chosen, top, signal, (n, of) => (ui.detail.textContent = `${n} of ${count(of, "file")}`));
    const several = chosen.folder || changes().length > 1;
    document.querySelector(`[value=${several ? "update" : "save"}]`).checked = true;
    ui.insideText.textContent = `Keep the folder's name: into ${target}${chosen.folder}/`;
    propose();
  } catch (e) {
    if (signal.aborted) return;
    face("Not compared", "", button("Try again", look, "main"), button("Close", reset));
    fail(e);
  }
}

// The summary before anything is sent.
function propose() {
  const { files, extra, leftOut } = plan;
  const how = mode();
  const todo = changes();
  const idle = !todo.length && !gone().length;
  const parts = ["changed", "unchanged", "new", "failed"].map((kind) => [files.filter((f) => f.kind === kind && !held(f)).length, kind]);
  parts.push([gone().length, "to delete"], [leftOut + files.filter(held).length, "left out"]);
  const summary = parts.filter(([n]) => n).map(([n, kind]) => n + " " + kind);
  const verb = { update: "Start update", save: "Save " + count(todo.length, "file"), release: "Install release" }[how];
  const go = button(verb, run, "main");
  face(how === "release" ? "A signed release" : summary.join(", "),
    idle ? "Nothing to send: the device has it all." : bytes(sum(todo)) + " to send", go, button("Cancel", reset));
  const guarded = files.filter((f) => f.guarded && differs(f)).length;
  ui.guardedText.textContent = `Replace ${count(guarded, "file")} of the updater itself too`;
  ui.mirrorText.textContent = `Delete ${count(extra.length, "file")} that the chosen folder does not have`;
  show(how !== "release", ui.choices);
  show(!idle, ui.modes);
  show(!idle && how === "update", ui.versionLabel);
  show(chosen.folder, ui.insideLabel);
  show(guarded, ui.guardedLabel);
  show(extra.length, ui.mirrorLabel);
  paintRows();
  const { block, free } = device.flash;
  const need = todo.reduce((n, f) => n + Math.ceil(f.size / block) * block, 0);
  const full = how === "update" && need > free;
  if (full) fail({ message: `This needs ${bytes(need)} of flash, and ${bytes(free)} are free. Delete files on the device, or send fewer.` });
  go.disabled = idle || full;
}

const rank = (f) => (f.kind === "failed" ? 0 : held(f) ? 4 : { delete: 2, unchanged: 3 }[f.kind] || 1);

function paintRows() {
  const shown = [...plan.files, ...gone()].sort((a, b) => rank(a) - rank(b));
  shown.forEach(paint);
  ui.rows.replaceChildren(...shown.map((f) => f.row));
}

const COLOURS = { written: "good", deleted: "good", new: "good", changed: "warn", uploading: "warn", delete: "bad", failed: "bad" };

function paint(f) {
  if (!f.row) {
    f.chip = el("span");
    f.bar = el("progress", { max: f.size || 1, ariaLabel: f.path });
    f.reason = el("small");
    f.row = el("li", {}, el("span", { className: "name mono" }, f.path), el("span", { className: "size" }, bytes(f.size)), f.chip, f.bar, f.reason);
  }
  const word = held(f) ? "updater, kept" : sending || f.state !== "waiting" ? f.state : f.kind;
  f.chip.textContent = word;
  f.chip.className = "chip " + COLOURS[word];
  f.row.className = held(f) || f.kind === "unchanged" ? "calm" : "";
  f.bar.value = f.size ? f.sent : f.state === "written";
  show(sending && differs(f) && !held(f), f.bar);
  f.reason.textContent = f.why || "";
}

function step(n) {
  show(true, ui.steps);
  [...ui.steps.children].forEach((item, i) => {
    item.className = i < n ? "done" : "";
    item.ariaCurrent = i === n ? "step" : null;
  });
}

// Paints amount, speed over the last seconds and time left; from acknowledged bytes only.
function meter(job, marks = []) {
  const size = sum(job.files);
  const all = [...job.files, ...job.gone];
  return () => {
    const sent = job.files.reduce((n, f) => n + f.sent, 0);
    const now = performance.now() / 1000;
    marks.push([now, sent]);
    if (now - marks[0][0] > 6) marks.shift();
    const speed = Math.round((sent - marks[0][1]) / (now - marks[0][0]));
    ui.total.max = size || 1;
    ui.total.value = sent;
    ui.amount.textContent = `${bytes(sent)} of ${bytes(size)}, ${all.length - unsent(all).length} of ${count(all.length, "file")}`;
    ui.pace.textContent = speed > 0 && sent < size ? `${bytes(speed)}/s, ${duration((size - sent) / speed)} left` : "";
  };
}

async function run() {
  const how = mode();
  if (how === "update" && !ui.version.reportValidity()) return;
  const { signal } = (stop = new AbortController());
  const job = { signal, how, files: changes(), gone: gone(), began: performance.now(), version: ui.version.value.trim() };
  const tick = meter(job);
  job.changed = (f, news) => {
    Object.assign(f, news);
    paint(f);
    tick();
  };
  sending = running = true;
  show(false, ui.where, ui.choices);
  show(true, ui.overall);
  face(how === "save" ? "Saving…" : how === "update" ? `Sending ${job.version}…` : "Sending…", "", button("Cancel", () => stop.abort()));
  if (how !== "save") step(0);
  paintRows();
  tick();
  await quietly(() => ({ update: sendUpdate, save: sendFiles, release: sendRelease })[how](job).catch((e) => ended(job, e)));
  sending = running = false;
  paintRows();
  open();
}

// One file after the other. One that fails does not stop the others, a device that is gone does.
async function each({ signal, changed }, files, action) {
  for (const f of unsent(files)) {
    changed(f, { state: "uploading", why: "", sent: 0 });
    try {
      // A file that changed since it was chosen cannot be read any more, and a request would not say so.
      await f.file?.slice(0, 1).arrayBuffer().catch(() => {
        throw new Failure(1, { message: "The file has changed on this computer: choose it again." });
      });
      await action(f);
      changed(f, { state: f.file ? "written" : "deleted", sent: f.size });
    } catch (e) {
      changed(f, { state: "failed", why: signal.aborted ? "Cancelled." : e.message });
      if (!e.status || e.status === 503 || e.error === "stale_session") throw e;
    }
  }
  const failed = unsent(files).length;
  if (failed) throw new Failure(1, { message: count(failed, "file") + " failed, see below." });
}

const spent = ({ files, began }) => `${bytes(sum(files))} in ${duration((performance.now() - began) / 1000)}.`;

async function sendFiles(job) {
  await each(job, job.files, (f) => save(job, f));
  await each(job, job.gone, (f) => remove(job, f));
  face(count(job.files.length + job.gone.length, "file") + " saved", "Takes effect at the next restart. " + spent(job),
    button("Done", reset, "main"), button("Restart now", () => (reset(), restart("normal"))));
}

async function sendUpdate(job) {
  const need = await begin(job, plan.files.filter((f) => f.kind === "unchanged" || job.files.includes(f)), job.gone);
  // At a second try some may be there already, or what was there may be gone.
  for (const f of job.files) job.changed(f, need.includes(f.path) ? { state: "waiting", sent: 0 } : { state: "written", sent: f.size });
  await each(job, job.files, (f) => stage(job, f));
  // Where the answer got lost the device has committed all the same, and its state tells the rest.
  await prove(job, await commit(job).catch((e) => {
    if (!/wrong_state|stale_session/.test(e.error)) throw e;
  }));
}

const sendRelease = (job) =>
  each(job, job.files, (f) => release(job, f).then((answer) => (job.answer = answer))).then(() => prove(job, job.answer));

// Restart, trial, verdict.
async function prove(job, answer) {
  sending = false; // the bytes are there: leaving the page harms nothing now
  job.proving = true;
  const { signal } = (stop = new AbortController());
  const leave = () => button("Stop watching", () => stop.abort());
  step(1);
  show(false, ui.overall);
  paintRows();
  face("Restarting…", "", leave());
  const seconds = answer && await comeBack(answer.boot_id, (s) => {
    counting(s);
    ui.detail.textContent = s < 60 ? s + " s" : s + " s without an answer. If the new files do not start, the device brings the old ones back by itself.";
  }, signal);
  step(2);
  const back = seconds ? `Back after ${seconds} s. ` : "";
  face("On trial", back, leave());
  const { last } = await settle((now) => {
    if (now) accept(now);
    else online("Not answering", "bad");
    ui.detail.textContent = back + (!now ? "No answer now; it may be restarting." : now.trial
      ? duration(now.trial.remaining_s || 0) + " left for the new files to prove themselves." : "");
  }, signal);
  const { version, outcome, reason } = last || {};
  if (!outcome || (job.how === "update" && version !== job.version)) throw new Failure(1, { message: "The update did not go live. The log may tell why." });
  if (outcome === "reverted") {
    throw new Failure(1, { message: `Reverted because ${reason || "the new files did not prove themselves"}. The old files are back.` });
  }
  step(4);
  face(`${outcome[0].toUpperCase()}${outcome.slice(1)}: ${version} is running`, back + spent(job), button("Done", reset, "main"));
}

// What a person can do after something went wrong.
async function ended(job, e) {
  sending = false;
  const cancelled = stop.signal.aborted;
  ui.pace.textContent = "";
  const left = unsent([...job.files, ...job.gone]).length;
  const close = button("Close", reset);
  if (job.proving) {
    face(cancelled ? "No longer watched" : "Not installed", "", close);
  } else {
    const drop = () => abandon().catch(() => {}).then(refresh);
    if (cancelled && job.how === "update") await drop();
    face(cancelled ? "Cancelled" : "Not finished", job.how === "save" ? "" : "Nothing on the device has changed.",
      button(`Retry failed (${left})`, run, "main"),
      job.how === "update" && !cancelled ? button("Drop the update", () => drop().then(reset)) : close);
  }
  if (!cancelled) fail(e);
}

export function startUpload() {
  for (const input of [ui.pickFiles, ui.pickFolder]) input.onchange = () => choose(fromInput(input));
  for (const input of [ui.guarded, ui.mirror, ui.modes]) input.onchange = propose;
  for (const input of [ui.target, ui.inside]) input.onchange = () => chosen && look();
  // The whole page takes a drop: one that misses would make the browser open the file and leave.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    ui.drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || ui.drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    ui.drop.classList.remove("over");
    attempt(() => fromDrop(event.dataTransfer).then(choose));
  });
  addEventListener("beforeunload", (event) => sending && event.preventDefault());
}

/** Points the next upload at *path*. */
export function aim(path) {
  ui.target.value = path;
  ui.upload.scrollIntoView();
  ui.pickFiles.focus();
  if (chosen && !running) look();
}
