// Bytes to the device. `sent` of a file is what the device acknowledged, not what left the browser.

import { address, call, get } from "./api.js";
import { sleep } from "./dom.js";

const PIECE = 32768; // each piece ends with a close on flash, which costs one block more
const PATIENT = 9; // about a minute without an answer, a restart of the device included
const UPDATE = "/api/v1/update";

// While *request* runs, asks the device every so often how far it has got.
function watched(request, look) {
  let over;
  const ask = async () => {
    for (await sleep(300); !over; await sleep(500)) {
      // Without an answer there is nothing to show; the upload itself will tell what is wrong.
      await get("/api/v1/progress", { aside: true, tries: 0, timeout: 5000 }).then(look, () => {});
    }
  };
  ask();
  return request.finally(() => (over = true));
}

const slow = (size) => 30000 + size / 4; // ms: flash at its data-sheet worst writes 8 KB a second

/** One file, live at once. */
export function save({ signal, changed }, f) {
  const request = call("PUT", address("/fs", f.path), {
    body: f.file,
    headers: { "X-Content-SHA256": f.sha, ...(f.guarded && { "X-OTA-Protected": "yes" }) },
    signal,
    timeout: slow(f.size),
    tries: PATIENT,
  });
  return f.size < PIECE ? request : watched(request, ({ upload }) => {
    if (upload?.path === f.path) changed(f, { sent: upload.received });
  });
}

export const remove = ({ signal }, f) =>
  call("DELETE", address("/fs", f.path), { signal }).catch((e) => {
    if (e.status !== 404) throw e;
  });

/** Opens the update, or finds it again: the same manifest resumes. Answers the paths still needed. */
export async function begin(job, files, gone) {
  const { id, need } = await call("POST", UPDATE, {
    json: {
      version: job.version,
      trial: true,
      files: files.map(({ path, size, sha }) => ({ path, size, sha256: sha })),
      delete: gone.map((f) => f.path),
    },
    signal: job.signal,
    timeout: 120000, // the device compares every file with what it has
    tries: PATIENT,
  });
  job.session = { "X-OTA-Session": id };
  return need;
}

/** One file aside, in pieces. A piece that got lost is no matter: the device says where to go on. */
export async function stage({ signal, session, changed }, f) {
  let at = 0;
  let astray = 0;
  do {
    const end = Math.min(at + PIECE, f.size);
    const range = end - at < f.size && { "Content-Range": `bytes ${at}-${end - 1}/${f.size}` };
    try {
      const { status, received } = await call("PUT", address(UPDATE + "/files", f.path), {
        body: f.file.slice(at, end),
        headers: { ...session, ...range },
        signal,
        timeout: slow(PIECE),
        tries: PATIENT,
      });
      at = status === 202 ? received : f.size;
    } catch (e) {
      const again = e.error === "wrong_offset" || (e.error === "digest_mismatch" && !astray);
      if (!again || astray++ > 5) throw e;
      at = e.received || 0;
    }
    changed(f, { sent: at });
  } while (at < f.size);
}

export const commit = ({ signal, session }) =>
  call("POST", UPDATE + "/commit", { json: { restart: true }, headers: session, signal, timeout: 60000, tries: PATIENT });

export const abandon = () => call("DELETE", UPDATE);

/** A signed release, as it is; the device reads, checks and installs it. */
export const release = ({ signal, changed }, f) =>
  watched(call("PUT", UPDATE + "/release", { body: f.file, signal, timeout: 2 * slow(f.size), tries: 0 }),
    ({ upload }) => changed(f, { sent: Math.min(f.size, upload?.received || f.sent) }));
