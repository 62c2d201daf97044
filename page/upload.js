// The card that sends: choose, compare, decide, send, watch, and say how it ended.

import { Failure } from "./api.js";
import { $, button, bytes, count, duration, el, say, show } from "./dom.js";
import { fromDrop, fromInput } from "./pick.js";
import { clean, compare, list } from "./plan.js";
import { comeBack, settle } from "./restart.js";
import { abandon, begin, commit, release, remove, save, stage } from "./send.js";
import { accept, device, online, quietly, refresh, restartNow } from "./status.js";
import { open } from "./browser.js";

let chosen;
let plan;
let stop = new AbortController();
let sending = false;

const mode = () => document.querySelector("[name=mode]:checked").value;
const changes = () => plan.files.filter((f) => /new|changed/.test(f.kind) && (!f.guarded || $("guarded").checked || plan.release));
const gone = () => ($("mirror").checked ? plan.extra : []);
const sum = (files) => files.reduce((total, f) => total + f.size, 0);

function reset() {
  stop.abort();
  plan = chosen = null;
  show(true, "pick", "drop");
  show(false, "work");
}

function face(headline, detail = "", ...buttons) {
  $("headline").textContent = headline;
  $("detail").textContent = detail;
  $("buttons").replaceChildren(...buttons);
  show(true, "work");
  show(false, "error");
  say(headline);
}

function fail(text) {
  $("error").textContent = text;
  show(true, "error");
  say(text);
}

/** Starts over with what was chosen; everything before is forgotten. */
async function choose(made) {
  if (sending || !made.entries.length) return;
  reset();
  chosen = made;
  $("mirror").checked = $("guarded").checked = $("inside").checked = false;
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString();
  $("version").value = now.slice(0, 10).replaceAll("-", ".") + "-" + now.slice(11, 16).replace(":", "");
  const [{ file }] = made.entries;
  if (made.entries.length === 1 && file.name.endsWith(".swu")) {
    plan = { files: [{ file, path: file.name, size: file.size, sent: 0, state: "waiting", kind: "new" }], extra: [], release: true };
    propose();
  } else if (device.require_signed) {
    $("rows").replaceChildren();
    show(false, "choices", "overall", "steps");
    face("Only a signed release can be installed here", "", button("Close", reset));
    fail("A public key is set on this device, so files that nobody signed are refused. Choose one release file (.swu).");
  } else {
    await look(true);
  }
}

// Compares with the device. `first` may decide whether a folder goes into its namesake.
async function look(first) {
  stop.abort();
  const { signal } = (stop = new AbortController());
  const target = clean($("target").value);
  $("target").value = target;
  show(false, "drop", "choices", "steps", "overall");
  $("rows").replaceChildren();
  face("Comparing with the device…", "", button("Cancel", reset));
  try {
    if (first && chosen.folder) {
      $("inside").checked = (await list(target, signal)).some((f) => f.directory && f.name === chosen.folder);
    }
    const top = $("inside").checked ? target + chosen.folder + "/" : target;
    plan = await compare(chosen, top, signal, (n, of) => ($("detail").textContent = `${n} of ${count(of, "file")}`));
    document.querySelector(`[value=${changes().length + plan.extra.length > 1 || chosen.folder ? "update" : "save"}]`).checked = true;
    $("inside-text").textContent = `Keep the folder's name: into ${target}${chosen.folder}/`;
    show(chosen.folder, "inside-label");
    propose();
  } catch (e) {
    if (signal.aborted) return;
    face("Could not compare with the device", "", button("Try again", () => look(first), "main"), button("Close", reset));
    explain(e);
  }
}

// The summary before anything is sent.
function propose() {
  const todo = changes();
  const deletions = gone();
  const of = (kind) => plan.files.filter((f) => f.kind === kind).length;
  const guarded = plan.files.filter((f) => f.guarded && /new|changed/.test(f.kind)).length;
  const summary = plan.release
    ? ["Signed release"]
    : [of("changed") + " changed", of("unchanged") + " unchanged", of("new") + " new", deletions.length && deletions.length + " to delete",
      of("failed") && of("failed") + " that cannot be sent", plan.leftOut && plan.leftOut + " left out"].filter(Boolean);
  const update = !plan.release && mode() === "update";
  const idle = !todo.length && !deletions.length;
  const go = button(plan.release ? "Install release" : update ? "Start update" : "Save " + count(todo.length, "file"), run, "main");
  go.disabled = idle;
  face(summary.join(", "), idle ? "Nothing to send: the device has all of it." : bytes(sum(todo)) + " to send", go, button("Cancel", reset));
  $("guarded-text").textContent = `Replace ${count(guarded, "file")} of the updater itself too`;
  $("mirror-text").textContent = `Delete ${count(plan.extra.length, "file")} that the chosen folder does not have`;
  show(!plan.release && !idle, "modes");
  show(update, "version-label");
  show(guarded, "guarded-label");
  show(plan.extra.length, "mirror-label");
  show(true, "choices");
  show(plan.release, "error");
  show(false, "error");
  paintRows();
  const need = todo.reduce((n, f) => n + Math.ceil(f.size / device.flash.block) * device.flash.block, 0);
  if (update && need > device.flash.free) {
    fail(`This needs ${bytes(need)} of flash, and ${bytes(device.flash.free)} are free. Delete files on the device, or send fewer.`);
    go.disabled = true;
  }
  $("headline").focus({ preventScroll: true });
}

function paintRows() {
  const rank = { failed: 0, changed: 1, new: 1, delete: 2, unchanged: 3 };
  const shown = [...plan.files, ...gone()].sort((a, b) => rank[a.kind] - rank[b.kind]);
  shown.forEach(paint);
  $("rows").replaceChildren(...shown.map((f) => f.row));
}

const KINDS = { written: "good", deleted: "good", failed: "bad", new: "good", changed: "warn", delete: "bad", uploading: "warn" };

function paint(f) {
  if (!f.row) {
    f.chip = el("span");
    f.bar = el("progress", { max: f.size || 1, ariaLabel: f.path });
    f.reason = el("span", { className: "why bad" });
    f.row = el("li", {}, el("span", { className: "name mono" }, f.path), el("span", { className: "size" }, bytes(f.size)), f.chip, f.bar, f.reason);
  }
  const held = f.guarded && f.kind !== "unchanged" && !$("guarded").checked && !f.why;
  const word = held ? "updater, kept" : sending || f.state !== "waiting" ? f.state : f.kind;
  f.chip.textContent = word;
  f.chip.className = "chip " + (KINDS[word] || "");
  f.row.className = f.kind === "unchanged" || held ? "calm" : "";
  f.bar.value = f.size ? f.sent : +(f.state === "written");
  f.bar.hidden = !sending || held || f.kind === "delete" || !/waiting|uploading|written/.test(f.state);
  f.reason.textContent = f.why || "";
}

function step(n) {
  show(true, "steps");
  [...$("steps").children].forEach((item, i) => {
    item.className = i < n ? "done" : "";
    item.ariaCurrent = i === n ? "step" : null;
  });
}

// Speed over the last seconds, from acknowledged bytes only.
function meter(files, deletions) {
  const total = sum(files) || 1;
  const marks = [];
  return () => {
    const sent = files.reduce((n, f) => n + f.sent, 0);
    const now = performance.now() / 1000;
    marks.push([now, sent]);
    while (marks.length > 2 && now - marks[0][0] > 6) marks.shift();
    const speed = (sent - marks[0][1]) / (now - marks[0][0] || 1);
    const ready = files.concat(deletions).filter((f) => /written|deleted/.test(f.state)).length;
    $("total").max = total;
    $("total").value = sent;
    $("amount").textContent = `${bytes(sent)} of ${bytes(sum(files))}, ${ready} of ${count(files.length + deletions.length, "file")}`;
    $("pace").textContent = speed > 0 && sent < total ? `${bytes(Math.round(speed))}/s, ${duration((total - sent) / speed)} left` : "";
  };
}

async function run() {
  const how = plan.release ? "release" : mode();
  const files = changes();
  const deletions = gone();
  const { signal } = (stop = new AbortController());
  const tick = meter(files, deletions);
  const job = { signal, how, files, deletions, began: performance.now(), version: $("version").value.trim() };
  job.changed = (f) => {
    paint(f);
    tick();
  };
  sending = true;
  await quietly(async () => {
    try {
      show(false, "pick", "choices");
      show(true, "overall");
      face(how === "save" ? "Saving…" : "Sending…", "", button("Cancel", () => stop.abort()));
      if (how === "save") show(false, "steps");
      else step(0);
      paintRows();
      tick();
      await { update: sendUpdate, save: sendFiles, release: sendRelease }[how](job);
    } catch (e) {
      await ended(job, e);
    }
    sending = false;
    paintRows();
  });
  open();
}

// One step for each file; a file that fails does not stop the others, a device that is gone does.
async function each(job, files, action) {
  for (const f of files) {
    if (/written|deleted/.test(f.state)) continue;
    Object.assign(f, { state: "uploading", why: "", sent: 0 });
    job.changed(f);
    try {
      // A file that changed since it was chosen cannot be read any more, and a request would not say so.
      await f.file?.slice(0, 1).arrayBuffer().catch(() => {
        throw new Failure(400, { message: "The file has changed on this computer: choose it again." });
      });
      await action(job, f);
      f.state = f.file ? "written" : "deleted";
      f.sent = f.size;
    } catch (e) {
      f.state = "failed";
      f.why = job.signal.aborted ? "Cancelled." : e.message;
      if (job.signal.aborted || !e.status || e.status === 503 || e.word === "stale_session") throw e;
    } finally {
      job.changed(f);
    }
  }
  const failed = files.filter((f) => f.state === "failed").length;
  if (failed) throw new Failure(400, { message: `${count(failed, "file")} failed, see below.` });
}

async function sendFiles(job) {
  await each(job, job.files, save);
  await each(job, job.deletions, remove);
  face(`${count(job.files.length + job.deletions.length, "file")} saved`, "Takes effect at the next restart." + spent(job),
    button("Done", reset, "main"), button("Restart now", () => (reset(), restartNow("normal"))));
}

async function sendUpdate(job) {
  const all = plan.files.filter((f) => f.kind === "unchanged" || job.files.includes(f));
  const need = await begin(job, job.version, all, job.deletions);
  for (const f of job.files) {
    if (!need.has(f.path)) Object.assign(f, { state: "written", sent: f.size });
    job.changed(f);
  }
  await each(job, job.files, stage);
  let answer;
  try {
    answer = await commit(job);
  } catch (e) {
    // The answer may have been lost while the device already restarts: then its state says so.
    if (!["stale_session", "not_found", "no_update", "wrong_state"].includes(e.word)) throw e;
    answer = {};
  }
  await prove(job, answer);
}

async function sendRelease(job) {
  await each(job, job.files, async (_, f) => (job.answer = await release(job, f)));
  await prove(job, job.answer);
}

// Restart, trial, verdict.
async function prove(job, answer) {
  sending = false; // the bytes are there: leaving the page harms nothing now
  const { signal } = (stop = new AbortController());
  const leave = button("Stop watching", () => stop.abort());
  step(1);
  show(false, "overall");
  face("Restarting…", "", leave);
  const seconds = await comeBack(answer.boot_id || device.boot_id, (s) => {
    online(`Restarting… ${s} s`, "warn");
    $("detail").textContent = s < 60 ? `${s} s` : `${s} s without an answer. If nothing is heard of the new files in time, the device brings the old ones back by itself.`;
  }, signal);
  step(2);
  face("On trial: the new files prove themselves", `Back after ${seconds} s.`, leave);
  const status = await settle((now) => {
    if (now) accept(now);
    else online("Not answering", "bad");
    $("detail").textContent = !now ? "No answer; the device may be restarting." : now.trial
      ? `Back after ${seconds} s. Kept when the application stays well; ${duration(now.trial.remaining_s)} left.` : "Bringing the old files back…";
  }, signal);
  accept(status);
  const { outcome, version, reason } = status.last || {};
  job.settled = true;
  if (outcome === "reverted") throw new Failure(409, { message: `Reverted because ${reason || "the new files did not prove themselves"}. The old files are back.` });
  if (!outcome) throw new Failure(409, { message: "The device does not say how it ended: see the history and the log." });
  step(4);
  face(`${outcome === "confirmed" ? "Confirmed" : "Installed"}: ${version} is running`, `Back after ${seconds} s.` + spent(job), button("Done", reset, "main"));
  $("headline").focus({ preventScroll: true });
}

const spent = ({ files, began }) => ` ${bytes(sum(files))} in ${duration((performance.now() - began) / 1000)}.`;

// What a person can do after something went wrong.
async function ended(job, e) {
  sending = false;
  const cancelled = job.signal.aborted || stop.signal.aborted;
  const failed = job.files.concat(job.deletions).filter((f) => !/written|deleted/.test(f.state));
  const buttons = [button("Close", reset)];
  if (job.settled || (cancelled && !failed.length)) {
    face(job.settled ? "Not installed" : "No longer watched", "", ...buttons);
  } else {
    if (job.how === "update" && cancelled) await abandon().catch(() => {});
    else if (job.how === "update") buttons[0] = button("Drop the update", () => abandon().catch(() => {}).then(refresh).then(reset));
    buttons.unshift(button(`Retry failed (${failed.length})`, run, "main"));
    face(cancelled ? "Cancelled" : "Not finished", job.how === "save" ? "" : "Nothing on the device has changed.", ...buttons);
  }
  if (!cancelled) explain(e);
}

function explain(e) {
  fail(e.message);
  if (e.status === 503 && /memory/.test(e.word)) {
    $("buttons").append(button("Restart into rescue mode", () => restartNow("rescue")));
  }
}

export function startUpload() {
  for (const id of ["pick-files", "pick-folder"]) $(id).onchange = () => choose(fromInput($(id)));
  for (const id of ["guarded", "mirror"]) $(id).onchange = propose;
  for (const id of ["target", "inside"]) $(id).onchange = () => chosen && look();
  $("modes").onchange = propose;
  // The whole page takes a drop: one that misses would make the browser open the file and leave.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
  addEventListener("drop", async (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    if (!sending) choose(await fromDrop(event.dataTransfer));
  });
  addEventListener("beforeunload", (event) => {
    if (sending) event.returnValue = event.preventDefault() || "";
  });
}

/** Points the next upload at *folder*. */
export function aim(folder) {
  $("target").value = folder;
  $("upload").scrollIntoView({ behavior: "smooth" });
  $("pick-files").focus();
  if (chosen && !sending) look();
}
