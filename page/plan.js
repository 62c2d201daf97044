// What sending the chosen files would change on the device.

import { get, call, url } from "./api.js";
import { digest } from "./sha256.js";

const JUNK = /(^|\/)(\.(git|hg|svn|venv|idea|vscode|DS_Store)|__pycache__|node_modules|Thumbs\.db|desktop\.ini|\._[^/]*|[^/]*\.pyc)(\/|$)/;
const UPDATER = /^\/(boot\.py$|(ota_boot|service_ota|manager_wifi|lib\/microdot)\.m?py$|\.?ota(\/|$))/;

/** True for what the updater itself needs. */
export const isGuarded = (path) => UPDATER.test(path);

/** An absolute device path from what a person typed. */
export const clean = (path) => ("/" + path + "/").replace(/\/+/g, "/");

/** The names in a device folder, none if it is not there. */
export async function list(folder, signal) {
  try {
    return (await get(url("/fs", folder), { signal })).files;
  } catch (e) {
    if (e.status === 404) return [];
    throw e;
  }
}

// Path -> size of every file below *top*, folders as -1. `wanted` says which folders to look into.
async function walk(top, wanted, signal) {
  const found = new Map();
  const todo = [top];
  while (todo.length) {
    const folder = todo.pop();
    for (const entry of await list(folder, signal)) {
      const path = folder + entry.name;
      found.set(path, entry.directory ? -1 : entry.file_size);
      if (entry.directory && wanted(path + "/")) todo.push(path + "/");
    }
  }
  return found;
}

function refusal(file, there) {
  if (/[\\\x00-\x1f\x7f]/.test(file.path)) return "The name has a character that the device refuses.";
  if (new TextEncoder().encode(file.path).length > 255) return "The path is longer than 255 bytes.";
  if (file.path.split("/").length > 17) return "The path is deeper than 16 folders.";
  if (there < 0) return "On the device, a folder has this name.";
  return "";
}

/** {files, extra, leftOut}: each file with path, sha and kind, and the device's files that were not chosen. */
export async function compare(chosen, top, signal, tell) {
  const picked = chosen.entries.filter((entry) => !JUNK.test(entry.rel));
  const files = picked.map(({ file, rel }) => ({ file, path: top + rel, size: file.size, sent: 0, state: "waiting" }));
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const wanted = (folder) => (chosen.folder && !isGuarded(folder)) || files.some((f) => f.path.startsWith(folder));
  const there = await walk(top, wanted, signal);
  for (const [i, f] of files.entries()) {
    tell(i, files.length);
    const size = there.get(f.path);
    f.why = refusal(f, size);
    f.guarded = isGuarded(f.path);
    if (f.why) f.state = f.kind = "failed";
    else f.sha = await digest(f.file, signal);
    if (f.kind) continue;
    f.kind = size === undefined ? "new" : "changed";
    // Only a file of the same size can be the same: ask the device for its digest.
    if (size === f.size && (await call("HEAD", url("/fs", f.path), { signal })).etag === f.sha) {
      f.kind = f.state = "unchanged";
    }
  }
  const mine = new Set(files.map((f) => f.path));
  const extra = [...there].filter(([path, size]) => size >= 0 && !mine.has(path) && !isGuarded(path));
  return {
    files,
    extra: chosen.folder ? extra.map(([path, size]) => ({ path, size, kind: "delete", state: "waiting" })) : [],
    leftOut: chosen.entries.length - picked.length,
  };
}
