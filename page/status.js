// What the device says of itself: facts, banners, history, log, and the buttons that restart it.

import { call, get, hooks } from "./api.js";
import { append, button, bytes, duration, el, line, note, renew, say, show, sleep, twice, ui } from "./dom.js";
import { comeBack, patience, settle } from "./restart.js";

const REST = 10000; // unasked, the device unloads what answers: do not keep it there for a clock
const RETRY = 3000;

/** The last status. */
export let device = {};
let paused = 0;
let logNext = 0;

export function online(words, kind) {
  ui.link.textContent = words;
  ui.link.className = "chip " + kind;
}

/** Says that the device answers, and in which mode. */
export const connected = () => (device.mode === "rescue" ? online("Rescue mode", "bad") : online("Connected", "good"));

/** How long what is on *trial* has, or needs, in words. */
export const proof = (trial) =>
  !trial ? "" : trial.stays_in_s == null ? `${duration(trial.remaining_s || 0)} left for the program to confirm it.` : `It stays in ${duration(trial.stays_in_s)} if nothing happens.`;

const STATES = { idle: ["running", "good"], trial: ["on trial", "warn"], staging: ["receiving", "warn"] };

/** Takes over a status, whoever asked for it, and paints it. */
export function accept(status) {
  if (status.boot_id !== device.boot_id) logNext = 0;
  device = status;
  const { name, board, mode, state, trial, version, require_signed, default_password, history = [] } = status;
  const rescue = mode === "rescue";
  connected();
  document.title = ui.name.textContent = name;
  ui.about.textContent = board.replace("Raspberry Pi ", "");
  ui.release.textContent = version || "No version yet";
  const [word, kind] = rescue ? ["rescue", "bad"] : STATES[state] || [state, "bad"];
  const stays = trial?.stays_in_s;
  ui.state.textContent = word + (stays == null ? "" : `, stays in ${duration(stays)}`);
  ui.state.className = "chip " + kind;
  document.body.className = require_signed ? "signed" : "";
  show(default_password, ui.secret);
  show(true, ui.main);
  paintFacts(status);
  paintBanners(status, rescue);
  paintActions(status, rescue);
  show(history.length, ui.past);
  renew(ui.history, JSON.stringify(history), () => history.map(pastResult));
}

export async function refresh() {
  try {
    accept(await get("/api/v1/status", { tries: 0, timeout: 8000 }));
    await readLog();
    return true;
  } catch (e) {
    online(e.status ? "Error " + e.status : "Not answering", "bad");
    if (e.status) complain(e);
  }
}

/** A way out, where *failure* is one of memory: in rescue mode all of it is free. */
export const rescueFrom = ({ status, error }) =>
  status === 503 && /memory/.test(error) && button("Restart into rescue mode", () => restart("rescue"));

function complain(failure) {
  show(true, ui.main);
  note("bad", failure.message, rescueFrom(failure));
}

/** Runs *action* and shows what went wrong, if anything did. */
export const attempt = (action) => action().catch(complain);

/** Refreshes for ever while the page is looked at and nothing else talks to the device. */
export async function follow() {
  for (;;) await sleep(paused || document.hidden || (await refresh()) ? REST : RETRY);
}

/** Runs *action* with the regular questions to the device held back, then asks once. */
export async function quietly(action) {
  paused++;
  await action();
  paused--;
  refresh();
}

async function readLog() {
  const { next, lines } = await get("/api/v1/log?since=" + logNext, { tries: 0 });
  if (!logNext) ui.log.textContent = "";
  append(ui.log, lines.map((line) => line + "\n").join(""));
  logNext = next;
}

function paintFacts({ flash, memory, wifi, uptime_s, ip, micropython }) {
  const { rssi } = wifi;
  const quality = rssi > -56 ? "excellent" : rssi > -68 ? "good" : rssi > -76 ? "fair" : "weak";
  const facts = [
    ["Flash", `${bytes(flash.free)} free of ${bytes(flash.total)}`, 1 - flash.free / flash.total],
    ["Memory", bytes(memory.free) + " free", memory.used / (memory.used + memory.free)],
    ["Wi-Fi", rssi ? `${rssi} dBm, ${quality}` : "–"],
    ["Up for", duration(uptime_s)],
    ["Address", ip],
    ["MicroPython", micropython],
  ];
  ui.facts.replaceChildren(...facts.map(([label, text, used]) =>
    el("div", {}, el("dt", {}, label), el("dd", {}, text), used && el("progress", { value: used, ariaLabel: label + " used" }))));
}

const banner = (kind, text, ...buttons) => {
  say(text);
  return line(kind, text, ...buttons);
};

function paintBanners({ state, version, trial, supervised, changed = [], update, warnings = [], ignored, traceback, login }, rescue) {
  // The default password has a banner of its own, where it can be changed.
  const other = [...warnings, ignored].filter((text) => text && !/default password/.test(text));
  if (login === "basic") other.push("The last login was by Basic: whoever listens on this network has the password now. Digest does not send it.");
  const part = update && ui.work.hidden && [update.version, bytes(update.received), bytes(update.bytes)];
  renew(ui.banners, [rescue, trial && state, !supervised, changed, version, part, other].join(), () => [
    rescue && banner("alarm", "Rescue mode: only Wi-Fi and the updater run, not the application. Update it, roll back, or restart normally.",
      button("Restart normally", () => restart("normal"))),
    rescue && traceback && el("pre", { className: "bad" }, traceback),
    trial && banner("warn", `${version} is on trial. If it does not prove itself, the old files come back.`,
      button("Keep it now", keep), twice("Undo it", "Really undo?", rollBack)),
    supervised && banner("warn", "Files changed without a trial have to prove themselves now. If they do not, the device restarts into rescue mode."),
    changed[0] && line("warn", `Changed by hand: ${changed.join(", ")}. The next restart puts this to the test, and nothing brings the old files back: what does not start ends in rescue mode.`,
      !rescue && button("Restart now", () => restart("normal"))),
    part && banner("warn", `${part[0]} is here in part, ${part[1]} of ${part[2]}. Choose the same files to go on.`,
      button("Drop it", () => attempt(() => call("DELETE", "/api/v1/update")).then(refresh))),
    ...other.map((text) => banner("warn", text)),
  ]);
}

function paintActions({ previous, state }, rescue) {
  renew(ui.actions, [previous, state, rescue].join(), () => [
    previous && state === "idle" && twice(previous === "unknown" ? "Roll back" : "Roll back to " + previous, "Really roll back?", rollBack),
    twice("Restart", "Really restart?", () => restart("normal")),
    !rescue && twice("Rescue mode", "Really restart?", () => restart("rescue")),
  ]);
}

const KINDS = { confirmed: "good", installed: "good" };

const pastResult = ({ version, outcome, reason }) =>
  el("li", {}, el("b", { className: "name" }, version || "–"), el("span", { className: "chip " + (KINDS[outcome] || "bad") }, outcome),
    reason && el("small", {}, reason));

/** How a restart shows while it lasts. */
export const counting = (seconds) => online(`Restarting… ${seconds} s`, "warn");

// Asks for something that restarts the device, and says when it is back.
const restarting = (path, json, words) =>
  quietly(() => attempt(async () => {
    const answer = await call("POST", path, { json });
    const seconds = await comeBack(answer.boot_id || device.boot_id, (s) => {
      counting(s);
      const advice = patience(s, "it comes back in rescue mode");
      if (advice) note("warn", advice);
    });
    const status = await settle((now) => now && accept(now));
    note("good", words(status) + `Back after ${seconds} s.`);
    hooks.changed();
  }));

export const restart = (mode) => restarting("/api/v1/reboot", { mode }, () => "");
const rollBack = () => restarting("/api/v1/rollback", {}, ({ version }) => `Rolled back to ${version || "the previous version"}. `);

const keep = () =>
  attempt(async () => {
    await call("POST", "/api/v1/confirm");
    note("good", "Confirmed: the new files stay.");
    refresh();
  });
