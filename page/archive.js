// The archive that carries an update: cpio, "new ASCII with checksum", as docs/format.md has it.

import { hex8, idOf, parse } from "./description.js";

const DESCRIPTION = "sw-description";
const SIGNATURE = DESCRIPTION + ".sig";
const HEADER = 110;
const LONGEST_NAME = 64;
const MOST = { [DESCRIPTION]: 192 * 1024, [SIGNATURE]: 8 * 1024 };

const padded = (n) => Math.ceil(n / 4) * 4;
const filling = (n) => "\0".repeat(padded(n) - n);

/** The first entry of an archive, which holds the bytes of a description: all of an unsigned archive but its files. */
export function headOf(content) {
  const sum = content.reduce((total, byte) => total + byte, 0);
  // ino, mode, uid, gid, nlink, mtime, filesize, four devices, namesize, check.
  const fields = [0, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, DESCRIPTION.length + 1, sum];
  const header = "070702" + fields.map(hex8).join("") + DESCRIPTION + "\0";
  return new Blob([header, filling(header.length), content, filling(content.length)]);
}

// Words for a *file* that is none of ours, that is cut off, and that was changed on its way here.
const none = (file) => new Error(`${file.name} is no release of pico-ota.`);
const short = (file) => new Error(`${file.name} ends too early. Copy or download it once more.`);
const damaged = (file, what) => new Error(`${file.name} was damaged: ${what}. Copy or download it once more.`);

// The header at byte *at* of *file*: {name, start, size}, and where the next one is, {next}.
async function entryAt(file, at) {
  const header = await file.slice(at, at + HEADER + LONGEST_NAME).text();
  if (!/^070702[0-9A-F]{104}/.test(header)) {
    throw !at ? none(file) : header.length < HEADER ? short(file) : damaged(file, `nothing begins at byte ${at}`);
  }
  const field = (n) => parseInt(header.slice(6 + 8 * n, 14 + 8 * n), 16);
  const [size, names] = [field(6), field(11)];
  const start = at + padded(HEADER + names);
  if (start + size > file.size) throw short(file);
  return { name: header.slice(HEADER, HEADER + names - 1), start, size, next: start + padded(size) };
}

/**
 * Reads a release (.swu): {id, version, signed, head, files, gone}. `head` is what the device reads
 * first, its description and signature as they stand in the archive; each of `files` has its content
 * as a part of the archive. Only headers and the description are read.
 * Raises an Error with words for people when it is none.
 */
export async function openRelease(file) {
  const first = await entryAt(file, 0);
  if (first.name !== DESCRIPTION || first.size > MOST[DESCRIPTION]) throw none(file);
  const description = new Uint8Array(await file.slice(first.start, first.start + first.size).arrayBuffer());
  const { version, files, gone } = parse(description);
  let at = first.next;
  const second = await entryAt(file, at);
  const signed = second.name === SIGNATURE;
  if (signed && second.size > MOST[SIGNATURE]) throw damaged(file, "its signature is too long");
  if (signed) at = second.next;
  const head = file.slice(0, at);
  for (const listed of files) {
    const { name, start, size, next } = await entryAt(file, at);
    if (name !== listed.name || size !== listed.size) throw damaged(file, `${listed.path} is not where it is listed`);
    listed.file = file.slice(start, start + size);
    at = next;
  }
  return { id: idOf(description), version, signed, head, files, gone };
}
