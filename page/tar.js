// All files of the device in one .tar, made here.

import { utf8 } from "./description.js";
import { count, ui } from "./dom.js";
import { fetchFile, keep } from "./edit.js";
import { walk } from "./plan.js";
import { attempt, device } from "./status.js";

const octal = (n, width) => n.toString(8).padStart(width - 1, "0") + "\0";
const packed = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const filling = (size) => new Uint8Array(-size & 511);

// *name* as one character for each byte. Type 0 is a file, 5 a folder, L the long name of the next one.
function header(name, size, type) {
  const head = (sum) =>
    (name.slice(0, 100).padEnd(100, "\0") + octal(type === 5 ? 0o755 : 0o644, 8) + octal(0, 8).repeat(2) + octal(size, 12) +
      octal(Math.floor(Date.now() / 1000), 12) + sum + type).padEnd(257, "\0") + "ustar  \0".padEnd(255, "\0");
  const sum = packed(head(" ".repeat(8))).reduce((total, byte) => total + byte, 0);
  return packed(head(octal(sum, 7) + " "));
}

function entry(path, content, type) {
  const name = utf8(path);
  const long = name.length > 100 ? [header("././@LongLink", name.length, "L"), packed(name), filling(name.length)] : [];
  return [...long, header(name, content.size, type), content, filling(content.size)];
}

export async function downloadAll() {
  ui.all.disabled = true;
  await attempt(async () => {
    const found = [...(await walk("/", () => true))];
    const parts = [];
    for (const [i, [path, size]] of found.entries()) {
      ui.all.textContent = `${i} of ${count(found.length, "file")}`;
      const name = path.slice(1);
      parts.push(...(size < 0 ? entry(name + "/", new Blob(), 5) : entry(name, await fetchFile(path), 0)));
    }
    keep(new Blob([...parts, new Uint8Array(1024)]), device.name + ".tar");
  });
  ui.all.disabled = false;
  ui.all.textContent = "Download all";
}
