// Sends what was decided on, watches what becomes of it, and says how it ended.

import { Failure } from "./api.js";
import { open } from "./browser.js";
import { face, fail, meter, paint, paintRows, step, sum, unsent, work } from "./card.js";
import { button, bytes, count, duration, show, sleep, twice, ui } from "./dom.js";
import { STALE } from "./plan.js";
import { comeBack, patience, settle } from "./restart.js";
import { abandon, begin, commit, remove, save, stage } from "./send.js";
import { accept, counting, device, online, proof, quietly, refresh, restart } from "./status.js";

let stop;

/**
 * Sends a job: {how, files, unchanged, gone, rows, close, again}, and for an update {version, id, head}.
 * `how` is "update" or "save"; `close` clears the card, and `again` starts the same once more.
 */
export async function run(job) {
  stop = new AbortController();
  const tick = meter(job);
  const update = job.how === "update";
  Object.assign(job, { signal: stop.signal, began: performance.now() });
  job.changed = (f, news) => {
    Object.assign(f, news);
    paint(f);
    tick();
  };
  work.sending = work.running = true;
  show(false, ui.where, ui.choices);
  show(true, ui.overall);
  face(update ? `Sending ${job.version}…` : "Saving…", "", button("Cancel", () => stop.abort()));
  if (update) step(0);
  paintRows(job.rows);
  tick();
  ui.head.scrollIntoView({ block: "nearest" });
  await quietly(() => (update ? sendUpdate : sendFiles)(job).catch((e) => ended(job, e)));
  work.sending = work.running = false;
  paintRows(job.rows);
  open();
}

// One file after the other. One that fails does not stop the others, a device that is gone does.
async function each({ signal, changed, how }, files, action) {
  for (const f of unsent(files)) {
    changed(f, { state: "uploading", why: "", sent: 0 });
    try {
      // A file that changed since it was chosen cannot be read any more, and a request would not say so.
      await f.file?.slice(0, 1).arrayBuffer().catch(() => {
        f.stale = true;
        throw new Failure(1, { message: STALE.why });
      });
      await action(f);
      changed(f, { state: how === "update" ? "sent" : f.file ? "saved" : "deleted", sent: f.size });
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
    button("Done", job.close, "main"), button("Restart now", () => (job.close(), restart("normal"))));
}

async function sendUpdate(job) {
  const need = new Set(await begin(job));
  job.begun = true;
  // What the device has not, now: at a second try some may be there already, and what was there when
  // it was compared may be gone.
  for (const f of job.unchanged) if (need.has(f.path)) job.files.push(Object.assign(f, { kind: "changed" }));
  for (const f of job.files) job.changed(f, need.has(f.path) ? { state: "waiting", sent: 0 } : { state: "sent", sent: f.size });
  await each(job, job.files, (f) => stage(job, f));
  job.took = spent(job);
  // Where the answer got lost the device has committed all the same, and its state tells the rest.
  await prove(job, await commit(job).catch((e) => {
    if (!/wrong_state|stale_session/.test(e.error)) throw e;
  }));
}

// Restart, trial, verdict.
async function prove(job, answer) {
  work.sending = false; // the bytes are there: leaving the page harms nothing now
  job.proving = true;
  const { signal } = (stop = new AbortController());
  const leave = () => button("Stop watching", () => stop.abort());
  step(1);
  show(false, ui.overall);
  paintRows(job.rows);
  face("Restarting…", "", leave());
  const seconds = answer && await comeBack(answer.boot_id, (s) => {
    counting(s);
    ui.detail.textContent = patience(s, "the device brings the old files back") || duration(s);
  }, signal);
  step(2);
  const back = seconds ? `Back after ${seconds} s. ` : "";
  face("On trial", back, leave());
  const become = (word, gone) => {
    for (const f of job.files) job.changed(f, { state: word });
    for (const f of job.gone) job.changed(f, { state: gone });
  };
  const { last } = await settle((now) => {
    if (now) accept(now);
    if (now?.trial) become("live", "deleted");
    else online("Not answering", "bad");
    ui.detail.textContent = back + (!now ? "No answer now; it may be restarting." : proof(now.trial));
  }, signal);
  const { version, outcome, reason } = last || {};
  if (!outcome || version !== job.version) throw new Failure(1, { message: "The update did not go live. The log may tell why." });
  if (outcome === "reverted") {
    become("taken back", "taken back");
    throw new Failure(1, { traceback: device.traceback, message: `Reverted because ${reason || "the new files did not prove themselves"}. The old files are back.` });
  }
  step(4);
  become("live", "deleted");
  job.live?.();
  face(`${outcome[0].toUpperCase()}${outcome.slice(1)}: ${version} is running`, back + job.took, button("Done", job.close, "main"));
}

// Tries again until the device takes it: *other* is done, or nobody has gone on with it for long.
async function wait(job, { version }) {
  const { signal } = (stop = new AbortController());
  work.running = true;
  face(`Waiting until “${version}” is done…`, "", button("Cancel", () => stop.abort()));
  let e = { error: "busy" };
  while (e?.error === "busy" && !signal.aborted) {
    await sleep(4000, signal);
    e = await begin({ ...job, signal }).then(() => null, (failure) => failure);
  }
  work.running = false;
  if (signal.aborted) job.close();
  else job.again();
}

// What a person can do after something went wrong.
async function ended(job, e) {
  work.sending = false;
  const cancelled = stop.signal.aborted;
  const update = job.how === "update";
  ui.pace.textContent = "";
  const close = button("Close", job.close);
  // What the device does not get told now is offered once more as a banner, when it answers again.
  const drop = (which) => abandon(which).catch(() => {}).then(refresh);
  if (job.proving) {
    face(cancelled ? "No longer watched" : "Not installed", "", close);
  } else {
    if (update && cancelled) {
      face("Cancelling…", "");
      await drop(job);
    }
    if (e.error === "busy") await refresh();
    const other = update && !job.begun && device.update;
    if (!cancelled && other && other.id !== job.id) {
      show(false, ui.steps, ui.overall);
      return face(`Somebody is sending “${other.version}” just now`, "Nothing on the device has changed.",
        button("Wait", () => wait(job, other), "main"), twice("Drop theirs and send mine", "Really drop it?", () => drop().then(job.again)), close);
    }
    const left = unsent([...job.files, ...job.gone]).length;
    const here = !update ? "" : /idle|staging/.test(device.state) ? "Nothing on the device has changed." : "It was too late: the device installs it.";
    face(cancelled ? "Cancelled" : "Not finished", here,
      button(left ? `Retry failed (${left})` : "Try again", job.again, "main"),
      job.begun && !cancelled ? button("Drop the update", () => drop(job).then(job.close)) : close);
  }
  if (!cancelled) fail(e);
}
