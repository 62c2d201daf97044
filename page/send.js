// Bytes to the device. `sent` of a file is what the device acknowledged, not what left the browser.

import { call, get, url } from "./api.js";
import { sleep } from "./dom.js";

const PIECE = 32768; // each piece ends with a close on flash, which costs one block more
const PATIENT = 9; // about a minute without an answer, a restart of the device included

// Asks the device, every so often, how far *request* has got; answers what it answers.
async function watched(request, look, signal) {
  let over = false;
  const done = request.finally(() => (over = true));
  const ask = async () => {
    for (await sleep(300); !over && !signal.aborted; await sleep(500)) {
      try {
        look(await get("/api/v1/status", { aside: true, tries: 0, timeout: 5000 }));
      } catch {
        // The upload itself will tell.
      }
    }
  };
  ask();
  return done;
}

const slow = (size) => 30000 + size / 4; // ms: even flash at its data-sheet worst writes 4 KB a second

/** One file, live at once: PUT /fs/. */
export async function save(job, f) {
  const request = call("PUT", url("/fs", f.path), {
    body: f.file,
    headers: { "X-Content-SHA256": f.sha, ...(f.guarded && { "X-OTA-Protected": "yes" }) },
    signal: job.signal,
    timeout: slow(f.size),
    tries: PATIENT,
  });
  const look = ({ upload }) => {
    if (upload?.path === f.path) f.sent = upload.received;
    job.changed(f);
  };
  await (f.size > PIECE ? watched(request, look, job.signal) : request);
}

export const remove = (job, f) =>
  call("DELETE", url("/fs", f.path), { signal: job.signal }).catch((e) => {
    if (e.status !== 404) throw e;
  });

/** Opens the update, or finds it again: the same manifest resumes. Answers the paths still needed. */
export async function begin(job, version, files, gone) {
  const answer = await call("POST", "/api/v1/update", {
    json: {
      version,
      trial: true,
      files: files.map((f) => ({ path: f.path, size: f.size, sha256: f.sha })),
      delete: gone.map((f) => f.path),
    },
    signal: job.signal,
    timeout: 120000, // the device compares every file with what it has
    tries: PATIENT,
  });
  job.session = { "X-OTA-Session": answer.id };
  return new Set(answer.need);
}

/** One file aside, in pieces. A piece that got lost is no matter: the device says where to go on. */
export async function stage(job, f) {
  const path = url("/api/v1/update/files", f.path);
  let at = 0;
  let astray = 0;
  do {
    const end = Math.min(at + PIECE, f.size);
    const whole = end - at === f.size;
    try {
      const answer = await call("PUT", path, {
        body: f.file.slice(at, end),
        headers: { ...job.session, ...(!whole && { "Content-Range": `bytes ${at}-${end - 1}/${f.size}` }) },
        signal: job.signal,
        timeout: slow(PIECE),
        tries: PATIENT,
      });
      at = answer.http === 202 ? answer.received : f.size;
    } catch (e) {
      if (astray++ > 5 || !["wrong_offset", "digest_mismatch"].includes(e.word)) throw e;
      if (e.word === "digest_mismatch" && astray > 1) throw e;
      at = e.received || 0;
    }
    f.sent = at;
    job.changed(f);
  } while (at < f.size);
}

export const commit = (job) =>
  call("POST", "/api/v1/update/commit", {
    json: { restart: true },
    headers: job.session,
    signal: job.signal,
    timeout: 60000,
    tries: PATIENT,
  });

export const abandon = () => call("DELETE", "/api/v1/update");

/** A signed release, as it is; the device reads, checks and installs it. */
export function release(job, f) {
  const request = call("PUT", "/api/v1/update/release", {
    body: f.file,
    signal: job.signal,
    timeout: slow(f.size) * 2,
    tries: 0,
  });
  const look = ({ upload, update }) => {
    f.sent = Math.min(f.size, (upload || update)?.received || f.sent);
    job.changed(f);
  };
  return watched(request, look, job.signal);
}
