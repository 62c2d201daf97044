// sw-description: what an update consists of, in the one form that a device reads. docs/format.md
// lists every line, and src/pico_ota/release/description.py writes the same text.

import { Sha256 } from "./sha256.js";

/** Text as one character for each byte of its UTF-8. */
export const utf8 = (text) => String.fromCharCode(...new TextEncoder().encode(text));

/** Orders paths by the bytes of their UTF-8; JavaScript itself goes by UTF-16. */
export function byBytes(a, b) {
  const [one, other] = [utf8(a), utf8(b)];
  return one < other ? -1 : +(one > other);
}

const measured = new WeakMap();

/**
 * What a description says of a file's content: {sha, sum}, its SHA-256 and what cpio calls a
 * checksum. The file is read in pieces, so that a big one freezes nothing.
 */
export async function measure(file, signal) {
  if (!measured.has(file)) {
    const sha = new Sha256();
    let sum = 0;
    for (let at = 0; at < file.size; at += 131072) {
      signal.throwIfAborted();
      const piece = new Uint8Array(await file.slice(at, at + 131072).arrayBuffer());
      sha.update(piece);
      for (const byte of piece) sum += byte;
    }
    measured.set(file, { sha: sha.hex(), sum });
  }
  return measured.get(file);
}

/** *n* as eight upper-case hex digits. */
export const hex8 = (n) => n.toString(16).toUpperCase().padStart(8, "0");

// A comma after all but the last.
const list = (items) => items.map((item, i) => item + (i < items.length - 1 ? "," : ""));

// What is no letter of an archive's alphabet becomes "_", one for each character.
const fileName = (path, i) => String(i + 1).padStart(4, "0") + "-" + path.split("/").pop().replace(/[^\w.-]/gu, "_").slice(-48);

/**
 * The bytes of the description of an update to *version*: *files* as {path, size, sha, sum}, and the
 * paths *gone*. It names no board and no floor: those are a release's.
 */
export function describe(version, files, gone) {
  const ordered = [...files].sort((a, b) => byBytes(a.path, b.path));
  const lines = [
    "software =",
    "{",
    `version = "${version}";`,
    "pico-ota = {",
    "format = 1;",
    'micropython = "1.25.0";',
    "trial = true;",
    `files = ${files.length};`,
    `bytes = ${files.reduce((total, f) => total + f.size, 0)};`,
    `deletes = ${gone.length};`,
    "delete = (",
    ...list([...gone].sort(byBytes).map((path) => `"${path}"`)),
    ");",
    "};",
    "files = (",
    ...list(ordered.map(({ path, size, sha, sum }, i) =>
      `{ filename = "${fileName(path, i)}"; path = "${path}"; sha256 = "${sha}"; size = ${size}; chksum = "${hex8(sum)}"; }`)),
    ");",
    "};",
    "",
  ];
  return new TextEncoder().encode(lines.join("\n"));
}

const FILE = /^\{ filename = "(.+?)"; path = "(.+?)"; sha256 = "([0-9a-f]{64})"; size = (\d+); chksum = "[0-9A-F]{8}"; (?:once = true; )?\},?$/gm;

/** What the bytes of a description list: {version, files: [{name, path, sha, size}], gone}. Checking it is the device's business. */
export function parse(description) {
  const text = new TextDecoder().decode(description);
  return {
    version: /^version = "(.+)";$/m.exec(text)?.[1],
    files: [...text.matchAll(FILE)].map(([, name, path, sha, size]) => ({ name, path, sha, size: +size })),
    gone: [...text.matchAll(/^"(.+)",?$/gm)].map(([, path]) => path),
  };
}

/** The id of the update with these bytes as its description. */
export function idOf(description) {
  const sha = new Sha256();
  sha.update(description);
  return sha.hex();
}
