// The card that sends: choose, compare, and decide. What was decided is run.js's to send.

import { openRelease, headOf } from "./archive.js";
import { differs, face, fail, held, paintRows, sum, work } from "./card.js";
import { describe, idOf } from "./description.js";
import { button, bytes, count, show, ui } from "./dom.js";
import { fromDrop, fromInput } from "./pick.js";
import { isVital } from "./never.js";
import { compare, list } from "./plan.js";
import { run } from "./run.js";
import { abandon } from "./send.js";
import { attempt, device } from "./status.js";

let chosen;
let plan;
let typed = ""; // the name that the person gave to what is not installed yet
let last; // the job that was started last with what is chosen
let stop = new AbortController();

const changes = () => plan.files.filter((f) => differs(f) && !held(f));
const unchanged = () => plan.files.filter((f) => f.kind === "unchanged");
const gone = () => (chosen.release || ui.mirror.checked ? plan.extra : []);
const how = () => (chosen.release ? "update" : document.querySelector("[name=mode]:checked").value);

function reset() {
  stop.abort();
  plan = chosen = last = null;
  show(true, ui.drop, ui.where);
  show(false, ui.work);
}

function refuse(headline, failure) {
  face(headline, "", button("Close", reset));
  fail(failure);
}

// A word for now, which sorts by time. Swedes write dates like "2025-11-30 16:50:00".
const today = () => new Date().toLocaleString("sv").slice(0, 16).replaceAll("-", ".").replace(" ", "-").replace(":", "");

/** Starts over with what was chosen; everything before is forgotten. */
async function choose(made) {
  if (work.running || !made.entries.length) return;
  reset();
  chosen = made;
  ui.mirror.checked = ui.guarded.checked = ui.inside.checked = false;
  ui.version.value = typed || device.update?.version || today();
  show(false, ui.drop, ui.choices, ui.steps, ui.overall);
  ui.rows.replaceChildren();
  const [{ file }, more] = made.entries;
  if (!more && file.name.endsWith(".swu")) {
    show(false, ui.where);
    try {
      made.release = await openRelease(file);
    } catch (e) {
      return refuse("Not a release", e);
    }
  }
  if (device.require_signed && !made.release?.signed) {
    const what = made.release ? "this release is not signed." : "it refuses files that nobody signed. Choose one release file (.swu).";
    return refuse("Not signed", { message: "A public key is set on this device: " + what });
  }
  look(true);
}

const normal = () => `/${ui.target.value}/`.replace(/\/+/g, "/");

// Compares with the device. At *first* a folder goes into its namesake there, if it has one.
async function look(first) {
  stop.abort();
  const { signal } = (stop = new AbortController());
  const target = (ui.target.value = normal());
  plan = null;
  face("Comparing with the device…", "", button("Cancel", reset));
  try {
    if (first === true && chosen.folder) {
      ui.inside.checked = (await list(target, signal)).some((f) => f.directory && f.name === chosen.folder);
    }
    const top = chosen.top || chosen.release ? "/" : ui.inside.checked ? target + chosen.folder + "/" : target;
    plan = await compare(chosen, top, signal, (n, of) => (ui.detail.textContent = `${n} of ${count(of, "file")}`));
    plan.target = target;
    advise(chosen.folder || chosen.live || changes().length > 1);
    ui.insideText.textContent = `Keep the folder's name: into ${target}${chosen.folder}/`;
    const go = propose();
    if (chosen.live && first === true) go.click();
  } catch (e) {
    if (signal.aborted) return;
    face("Not compared", "", button("Try again", look, "main"), button("Close", reset));
    fail(e);
  }
}

// Preselects what can be undone where the board may not start with it, or where files are to work *together*.
function advise(together) {
  const vital = [...changes(), ...gone()].some((f) => isVital(f.path));
  document.querySelector(`[value=${vital || together ? "update" : "save"}]`).checked = true;
}

// The update as it would be sent: {version, id, head}.
function asUpdate() {
  if (chosen.release) {
    const { version, id, head } = chosen.release;
    return { version, id, head };
  }
  const version = ui.version.value.trim();
  const description = describe(version, [...unchanged(), ...changes()], gone().map((f) => f.path));
  return { version, id: idOf(description), head: headOf(description) };
}

// Why what is chosen cannot be sent as an update, if it cannot.
function hindrance() {
  const quoted = [...unchanged(), ...changes(), ...gone()].find((f) => f.path.includes('"'));
  if (quoted) return `An update cannot hold a name with a double quote: ${quoted.path}. Rename it, or only save.`;
  const { flash, update } = device;
  const need = changes().reduce((n, f) => n + Math.ceil(f.size / flash.block) * flash.block, 0);
  // What is there already of this very update takes no room twice, and the device knows how much that is.
  return need > flash.free && update?.id !== asUpdate().id &&
    `This needs ${bytes(need)} of flash, and ${bytes(flash.free)} are free. Delete files on the device, or send fewer.`;
}

// Why what is chosen cannot be saved file by file, if it cannot: each needs its room, and three blocks, beside the old one.
function crowding() {
  const { free, block } = device.flash;
  const blocks = (size) => Math.ceil(Math.max(0, size ?? 0) / block);
  let left = free / block;
  for (const { path, size, was } of changes()) {
    if (blocks(size) + 3 > left) {
      return `${path} needs ${bytes((blocks(size) + 3) * block)} of flash beside what is there, and ${bytes(left * block)} are free then. Delete files on the device, or send fewer.`;
    }
    left -= blocks(size) - blocks(was);
  }
}

// The summary before anything is sent.
function propose() {
  if (!plan) return; // being made anew
  const { files, extra, leftOut } = plan;
  const { release, folder } = chosen;
  const update = how() === "update";
  const todo = changes();
  const idle = !todo.length && !gone().length;
  const parts = ["changed", "unchanged", "new", "failed"].map((kind) => [files.filter((f) => f.kind === kind && !held(f)).length, kind]);
  const kept = files.filter(held);
  parts.push([gone().length, "to delete"], [leftOut.length + kept.length, "left out"]);
  const out = [...new Set([...leftOut, ...kept.map((f) => f.path + " (the updater's own)")])];
  ui.left.textContent = out[0] ? `Left out: ${out.slice(0, 9).join(", ")}${out[9] ? `, and ${out.length - 9} more` : ""}.` : "";
  const summary = parts.filter(([n]) => n).map(([n, kind]) => n + " " + kind).join(", ");
  const all = !out[0] && unchanged().length === files.length;
  const amount = !idle ? bytes(sum(todo)) + " to send" : all ? "Nothing to send: the device has it all." : "Nothing to send.";
  const go = button(release ? "Install release" : update ? "Start update" : "Save " + count(todo.length, "file"), start, "main");
  if (release) face(`Release ${release.version}, ${release.signed ? "" : "not "}signed`, `${summary}. ${amount}`, go, button("Cancel", reset));
  else face(summary, amount, go, button("Cancel", reset));
  const guarded = files.filter((f) => f.guarded && differs(f)).length;
  ui.guardedText.textContent = `Replace ${count(guarded, "file")} of the updater itself too`;
  ui.mirrorText.textContent = `Delete ${count(extra.length, "file")} that the chosen folder does not have`;
  show(!release, ui.choices);
  show(!idle, ui.modes);
  show(!idle && update, ui.versionLabel);
  show(folder, ui.insideLabel);
  show(guarded, ui.guardedLabel);
  show(extra.length, ui.mirrorLabel);
  paintRows([...files, ...gone()]);
  const message = update ? hindrance() : crowding();
  if (message) fail({ message });
  // A release changes what the device calls itself, even when it has all of the files.
  go.disabled = message || (idle && !release);
  return go;
}

function start() {
  if (how() === "update" && !chosen.release && !ui.version.reportValidity()) return;
  const { live } = chosen;
  const job = { how: how(), files: changes(), unchanged: unchanged(), gone: gone(), close: reset, again: start, live: () => ((typed = ""), live?.()) };
  last = job;
  run(Object.assign(job, { rows: [...plan.files, ...job.gone] }, job.how === "update" && asUpdate()));
}

/**
 * Installs *file*, whose content was written on this page, as the device path *path*; once it stays
 * *live* is called with its SHA-256. False while something else is being sent.
 */
export function installText(file, path, live) {
  if (work.running) return false;
  ui.upload.scrollIntoView();
  choose({ entries: [{ file, rel: path.slice(1) }], top: "/", live: () => live(plan.files[0].sha) });
  return true;
}

// Takes *file* in the place of that of the row *f*, which has changed since it was chosen.
work.rechosen = async (f, file) => {
  chosen.entries.find((entry) => entry.file === f.file).file = file;
  // It makes another update of it: the one that has begun would be in its way.
  if (last?.begun) await abandon(last).catch(() => {});
  look();
};

export function startUpload() {
  ui.version.oninput = () => (typed = ui.version.value);
  for (const input of [ui.pickFiles, ui.pickFolder]) input.onchange = () => choose(fromInput(input));
  ui.modes.onchange = propose;
  for (const input of [ui.guarded, ui.mirror]) {
    input.onchange = () => {
      if (plan) advise(how() === "update");
      propose();
    };
  }
  ui.inside.onchange = look;
  // What was compared already is not compared anew: that would take the buttons away below a click.
  // Later, since the focus is on its way to where the person types next.
  ui.target.onchange = () => setTimeout(() => chosen && normal() !== plan?.target && look());
  // The whole page takes a drop: one that misses would make the browser open the file and leave.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    ui.drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || ui.drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    ui.drop.classList.remove("over");
    attempt(() => fromDrop(event.dataTransfer).then(choose));
  });
  addEventListener("beforeunload", (event) => work.sending && event.preventDefault());
}

/** Points the next upload at *path*. */
export function aim(path) {
  ui.target.value = path;
  ui.upload.scrollIntoView();
  ui.pickFiles.focus();
  if (chosen && !work.running) look();
}
