// What sending the chosen files would change on the device.

import { address, call, get } from "./api.js";
import { byBytes, measure } from "./description.js";
import { isSpared, isUpdater, junkOf } from "./never.js";

// Backslash, control characters, halves of a character, and more than 16 names.
const UNFIT = /[\\\x00-\x1f\x7f]|\p{Cs}|^(\/[^/]*){17}/u;

/** What becomes of a file that cannot be read any more as it was chosen. */
export const STALE = { stale: true, why: "It has changed on this computer since it was chosen." };

/** The names in a device folder, none if it is not there. */
export async function list(folder, signal) {
  try {
    return (await get(address("/fs", folder), { signal })).files;
  } catch (e) {
    if (e.status === 404) return [];
    throw e;
  }
}

/** Path -> size of every file below *top*, folders as -1. `wanted` says which folders to look into. */
export async function walk(top, wanted, signal) {
  const found = new Map();
  const todo = [top];
  for (const folder of todo) {
    for (const { name, directory, file_size } of await list(folder, signal)) {
      found.set(folder + name, directory ? -1 : file_size);
      if (directory && wanted(folder + name + "/")) todo.push(folder + name + "/");
    }
  }
  return found;
}

/**
 * {files, extra, leftOut}: each file with its digest and kind; what would be deleted: what the device has and a
 * chosen folder has not, or what a release takes away; and why each of those stays here that do.
 */
export async function compare({ entries, folder, release }, top, signal, tell) {
  const leftOut = release ? [] : entries.map(({ rel }) => junkOf(rel)).filter(Boolean);
  const picked = entries.filter(({ rel }) => !junkOf(rel));
  const chosen = release ? release.files : picked.map(({ file, rel }) => ({ file, path: top + rel, size: file.size }));
  const files = chosen.map((f) => ({ ...f, sent: 0, state: "waiting" })).sort((a, b) => byBytes(a.path, b.path));
  const gone = release ? release.gone : [];
  const paths = new Set(files.map((f) => f.path));
  const wanted = (path) => (folder && !isUpdater(path)) || [...paths, ...gone].some((other) => other.startsWith(path));
  const there = await walk(top, wanted, signal);
  for (const [i, f] of files.entries()) {
    tell(i, files.length);
    const size = there.get(f.path);
    // A release says itself what it brings; beside that, files of the updater are left alone.
    f.guarded = !release && isUpdater(f.path);
    f.kind = size === undefined ? "new" : "changed";
    f.why = size < 0 ? "A folder on the device has this name."
      : (UNFIT.test(f.path) || new Blob([f.path]).size > 255) && "The device cannot store this name.";
    f.was = size;
    if (!f.why && !f.sha) {
      await measure(f.file, signal).then((found) => Object.assign(f, found), () => {
        signal.throwIfAborted();
        Object.assign(f, STALE);
      });
    }
    if (f.why) f.state = f.kind = "failed";
    // Only a file of the same size can be the same: ask the device for its digest.
    else if (size === f.size && (await call("HEAD", address("/fs", f.path), { signal })).etag === f.sha) f.kind = f.state = "unchanged";
  }
  const goes = (path) => (release ? gone.includes(path) : folder && !paths.has(path) && !isSpared(path));
  const extra = [...there].filter(([path, size]) => size >= 0 && goes(path));
  return {
    files,
    extra: extra.map(([path, size]) => ({ path, size, sent: 0, kind: "delete", state: "waiting" })),
    leftOut,
  };
}
