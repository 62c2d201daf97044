// Bytes to the device. `sent` of a file is what has left the browser, which runs ahead of the device
// by what the network holds; "written" is what the device said itself.

import { address, call, get, pause } from "./api.js";
import { sleep } from "./dom.js";

const PATIENT = 9; // about a minute without an answer, a restart of the device included
const UPDATE = "/api/v1/update";

const slow = (size) => 30000 + size / 4; // ms: flash at its data-sheet worst writes 8 KB a second

/** One file, live at once. */
export const save = ({ signal, changed }, f) =>
  call("PUT", address("/fs", f.path), {
    body: f.file,
    headers: { "X-Content-SHA256": f.sha, ...(f.guarded && { "X-OTA-Protected": "yes" }) },
    signal,
    timeout: slow(f.size),
    tries: PATIENT,
    progress: (sent) => changed(f, { sent }),
  });

export const remove = ({ signal }, f) =>
  call("DELETE", address("/fs", f.path), { signal }).catch((e) => {
    if (e.status !== 404) throw e;
  });

// What makes a request speak of this update and no other one.
const session = ({ id }) => ({ "X-OTA-Session": id });

/** Opens the update, or finds it again: the same description resumes. Answers the paths still needed. */
export const begin = ({ head, signal }) =>
  call("POST", UPDATE, {
    body: head,
    headers: { "Content-Type": "application/octet-stream" },
    signal,
    timeout: 120000, // the device compares every file with what it has
    tries: PATIENT,
  }).then(({ need }) => need);

/** One file aside, whole; after a break from the byte on that the device has not. */
export async function stage(job, f) {
  const { signal, changed } = job;
  let at = 0;
  let damaged = false;
  for (let n = 0; ; n++) {
    try {
      return await call("PUT", address(UPDATE + "/files", f.path), {
        body: f.file.slice(at),
        headers: { ...session(job), ...(at && { "Content-Range": `bytes ${at}-${f.size - 1}/${f.size}` }) },
        signal,
        timeout: slow(f.size),
        tries: 0,
        progress: (sent) => changed(f, { sent: at + sent }),
      });
    } catch (e) {
      if (e.error === "digest_mismatch" && !damaged) {
        damaged = true; // once more from the start: some bytes changed on the way, or before a break
        at = 0;
      } else if (n >= PATIENT) {
        throw e;
      } else if (e.error === "wrong_offset") {
        at = e.received;
      } else {
        // After a break the device may wait for the rest of the old request, for up to 10 s.
        if (e.error === "busy") e.retry_after ||= 2;
        if (!(await pause(e, n, signal))) throw e;
        at = await received(job, f);
      }
      changed(f, { sent: at });
      if (at && at === f.size) return; // it was only the answer that got lost
    }
  }
}

// How much of a file the device has.
const received = async ({ signal }, { path }) =>
  (await get(UPDATE, { signal, tries: PATIENT })).files.find((f) => f.path === path)?.received || 0;

/** Makes the update the live set. Cancelling counts between two tries only: what was sent may have happened. */
export async function commit(job) {
  for (let n = 0; ; n++) {
    try {
      return await call("POST", UPDATE + "/commit", { json: { restart: true }, headers: session(job), timeout: 60000, tries: 0 });
    } catch (e) {
      if (n >= PATIENT || !(await pause(e, n, job.signal))) throw e;
    }
  }
}

/** Drops the update from the device; without a job whatever update is there. */
export async function abandon(job) {
  for (let n = 0; ; n++) {
    try {
      return await call("DELETE", UPDATE, { headers: job && session(job) });
    } catch (e) {
      // A file that was broken off keeps the device busy until it notices.
      if (e.error !== "busy" || n > 10) throw e;
      await sleep(500);
    }
  }
}
