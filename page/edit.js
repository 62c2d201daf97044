// A file of the device, opened on the page: text to change, a picture, or its first bytes.

import { address, call, get, hooks } from "./api.js";
import { measure } from "./description.js";
import { button, bytes, el, line, renew, say, show, twice, ui } from "./dom.js";
import { isUpdater, isVital } from "./never.js";
import { attempt, device, restart } from "./status.js";
import { installText } from "./upload.js";

const MOST = 65536; // bytes; the browser would do with more, but nobody edits that by hand
const PICTURE = /\.(png|jpe?g|gif|bmp|webp|ico)$/i;

let now; // {path, name, text, crlf, etag, fresh}: the file as it was read; a fresh one is not there yet

const dirty = () => now && !ui.code.hidden && (ui.text.value !== now.text || now.fresh);

function tell(kind, text, ...buttons) {
  ui.editNotes.replaceChildren(line(kind, text, ...buttons));
  say(text);
}

/** Saves *blob* on this computer as *name*. */
export function keep(blob, name) {
  const href = URL.createObjectURL(blob);
  el("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}

// Through a blob, not a link: a link could not carry the page's own credentials.
export const fetchFile = (path) => get(address("/fs", path), { blob: true, timeout: 120000 });

/** Opens the file *path* of *size* bytes; without a size one that is to be made. */
export async function edit(path, size) {
  if (dirty()) {
    ui.edit.scrollIntoView();
    return tell("warn", `Save or close ${now.path} first.`);
  }
  const name = path.split("/").pop();
  const small = !(size > MOST);
  const blob = size === undefined ? new Blob() : (small || PICTURE.test(name)) && (await fetchFile(path));
  const content = blob && new Uint8Array(await blob.arrayBuffer());
  let text;
  try {
    text = small && new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {} // not text
  const isText = small && text !== undefined && !text.includes("\0");
  now = { path, name, etag: blob?.etag, fresh: size === undefined };
  show(true, ui.edit);
  show(isText, ui.code);
  show(!isText, ui.view);
  ui.editTitle.textContent = path;
  ui.editNotes.replaceChildren();
  ui.text.value = isText ? text : "";
  // What the field itself makes of it: it knows but one kind of line end.
  now.text = ui.text.value;
  now.crlf = isText && text.includes("\r\n");
  ui.text.readOnly = isUpdater(path) || device.require_signed;
  ui.text.scrollTop = 0;
  if (!isText) look(content, blob, bytes(size));
  paint();
  ui.edit.scrollIntoView();
  (isText ? ui.text : ui.editTitle).focus({ preventScroll: true });
  if (isText) ui.text.setSelectionRange(0, 0);
}

function look(content, blob, size) {
  if (!content) return ui.view.replaceChildren(`${size}: too big to be shown here.`);
  const src = URL.createObjectURL(blob);
  const rows = [size + ", begins with\n"];
  for (let at = 0; at < Math.min(256, content.length); at += 8) {
    const some = [...content.slice(at, at + 8)];
    rows.push(at.toString(16).padStart(2, "0") + "  " + some.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(23) +
      "  " + some.map((b) => (b > 32 && b < 127 ? String.fromCharCode(b) : ".")).join("") + "\n");
  }
  const picture = el("img", { src, alt: now.path, onerror: () => picture.replaceWith(el("pre", {}, ...rows)) });
  ui.view.replaceChildren(picture);
}

// Line numbers, the word and the buttons, as the text is now.
function paint() {
  const { text, lines } = ui;
  const count = text.value.split("\n").length;
  renew(lines, count, () => [Array.from({ length: count }, (_, i) => i + 1).join("\n")]);
  lines.scrollTop = text.scrollTop;
  const changed = dirty();
  const fixed = text.readOnly || ui.code.hidden;
  ui.editState.textContent = changed ? "not saved" : fixed ? "read only" : "saved";
  ui.editState.className = "chip " + (changed ? "warn" : "");
  const { path, name, fresh } = now;
  renew(ui.editButtons, [path, changed, fixed, fresh].join(), () => {
    const ways = [["Install as update", install], ["Only save", save]];
    if (!isVital(path)) ways.reverse();
    return [
      ...(fixed ? [] : ways.map(([words, act], i) => Object.assign(button(words, () => attempt(act), i ? "" : "main"), { disabled: !changed }))),
      !fresh && button("Download", () => attempt(async () => keep(await fetchFile(path), name))),
      changed ? twice("Close", "Lose the changes?", close) : button("Close", close),
    ];
  });
}

function close() {
  now = null;
  show(false, ui.edit);
  ui.filesTitle.focus();
}

// The text as a file, with the line ends that it came with.
const made = () => new File([now.crlf ? ui.text.value.replaceAll("\n", "\r\n") : ui.text.value], now.name);

// Takes note that *text* is what the device has, as *etag*.
function settled(file, text, etag) {
  if (now !== file) return;
  Object.assign(now, { text, etag, fresh: false });
  paint();
}

function conflict(again) {
  const { path } = now;
  tell("warn", now.fresh ? "There is a file of this name already." : "It was changed on the device meanwhile.",
    button("Reload, losing my changes", () => {
      now = null;
      attempt(() => edit(path, 0));
    }),
    button("Overwrite it", () => attempt(() => again(true))));
}

// What the device has at the path now.
const tag = () => call("HEAD", address("/fs", now.path)).then(({ etag }) => etag, (e) => {
  if (e.status !== 404) throw e;
});

async function save(force) {
  const file = now;
  const text = ui.text.value;
  const body = made();
  const { sha } = await measure(body, new AbortController().signal);
  const only = file.fresh ? { "If-None-Match": "*" } : { "If-Match": `"${file.etag}"` };
  try {
    await call("PUT", address("/fs", file.path), { body, headers: { "X-Content-SHA256": sha, ...(!force && only) }, timeout: 60000 });
  } catch (e) {
    // Where only the answer got lost, the second try meets what the first one has made.
    if (e.status !== 412) throw e;
    if ((await tag()) !== sha) return conflict(save);
  }
  settled(file, text, sha);
  tell("good", "Saved. It takes effect at the next restart.", button("Restart now", () => restart("normal")));
  hooks.changed();
}

async function install(force) {
  const file = now;
  const text = ui.text.value;
  if (!force && (await tag()) !== file.etag) return conflict(install);
  const sent = installText(made(), file.path, (sha) => {
    settled(file, text, sha);
    if (now === file) tell("good", "It is live.");
  });
  tell("warn", sent ? "Sent as an update: what becomes of it is said above." : "Another update is under way: wait for its end.");
}

// Text in place of what is selected, in a way that "undo" knows.
const insert = (text) => document.execCommand(text ? "insertText" : "delete", false, text);

function indent(back) {
  const { selectionStart: from, selectionEnd: to, value } = ui.text;
  const start = value.lastIndexOf("\n", from - 1) + 1;
  if (!back && from === to) return insert(" ".repeat(4 - ((from - start) % 4)));
  const text = value.slice(start, to).replace(back ? /^( {1,4}|\t)/gm : /^(?=.)/gm, back ? "" : "    ");
  if (start === to) return;
  ui.text.setSelectionRange(start, to);
  insert(text);
  ui.text.setSelectionRange(start, start + text.length);
}

export function startEditor() {
  let leave = false; // after Escape the next Tab leaves the field, as without a mouse something must
  const { text } = ui;
  text.oninput = paint;
  text.onscroll = () => (ui.lines.scrollTop = text.scrollTop);
  text.onkeydown = (event) => {
    const { key, shiftKey } = event;
    const handle = (act) => {
      event.preventDefault();
      act();
    };
    if (key === "Tab" && !leave) handle(() => indent(shiftKey));
    if (key === "Enter" && !event.isComposing) {
      const before = text.value.slice(0, text.selectionStart);
      handle(() => insert("\n" + /[ \t]*/.exec(before.slice(before.lastIndexOf("\n") + 1))[0]));
    }
    if (key === "s" && (event.ctrlKey || event.metaKey)) handle(() => ui.editButtons.querySelector(".main")?.click());
    if (key !== "Shift") leave = key === "Escape";
  };
  addEventListener("beforeunload", (event) => dirty() && event.preventDefault());
}
