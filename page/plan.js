// What sending the chosen files would change on the device.

import { address, call, get } from "./api.js";
import { digest } from "./sha256.js";

const JUNK = /(^|\/)(\.(git|hg|svn|venv|idea|vscode|DS_Store)|__pycache__|node_modules|Thumbs\.db|desktop\.ini|\._[^/]*|[^/]*\.pyc)(\/|$)/;
const UPDATER = /^\/(boot\.py$|(ota_boot|service_ota|manager_wifi|lib\/microdot)\.m?py$|\.?ota(\/|$))/;
const UNFIT = /[\\\x00-\x1f\x7f]|^(\/[^/]*){17}/;

/** True for what the updater itself needs. */
export const isGuarded = (path) => UPDATER.test(path);

/** The names in a device folder, none if it is not there. */
export async function list(folder, signal) {
  try {
    return (await get(address("/fs", folder), { signal })).files;
  } catch (e) {
    if (e.status === 404) return [];
    throw e;
  }
}

// Path -> size of every file below *top*, folders as -1. `wanted` says which folders to look into.
async function walk(top, wanted, signal) {
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

/** {files, extra, leftOut}: each file with its digest and kind, and the device's files that were not chosen. */
export async function compare({ entries, folder }, top, signal, tell) {
  const picked = entries.filter(({ rel }) => !JUNK.test(rel));
  const files = picked.map(({ file, rel }) => ({ file, path: top + rel, size: file.size, sent: 0, state: "waiting" }));
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const paths = new Set(files.map((f) => f.path));
  const wanted = (path) => (folder && !isGuarded(path)) || files.some((f) => f.path.startsWith(path));
  const there = await walk(top, wanted, signal);
  for (const [i, f] of files.entries()) {
    tell(i, files.length);
    const size = there.get(f.path);
    f.guarded = isGuarded(f.path);
    f.kind = size === undefined ? "new" : "changed";
    f.why = size < 0 ? "A folder on the device has this name."
      : (UNFIT.test(f.path) || new Blob([f.path]).size > 255) && "The device cannot store this name.";
    if (f.why) f.state = f.kind = "failed";
    else f.sha = await digest(f.file, signal);
    // Only a file of the same size can be the same: ask the device for its digest.
    if (size === f.size && (await call("HEAD", address("/fs", f.path), { signal })).etag === f.sha) {
      f.kind = f.state = "unchanged";
    }
  }
  const extra = [...there].filter(([path, size]) => folder && size >= 0 && !paths.has(path) && !isGuarded(path));
  return {
    files,
    extra: extra.map(([path, size]) => ({ path, size, sent: 0, kind: "delete", state: "waiting" })),
    leftOut: entries.length - picked.length,
  };
}
