// What the device says of itself: facts, banners, history, log, and the buttons that restart it.

import { call, get } from "./api.js";
import { $, attempt, button, bytes, duration, el, note, say, show, sleep, twice } from "./dom.js";
import { comeBack, restart, settle } from "./restart.js";

const REST = 10000; // while nobody asks, the device lets its web stack go: do not keep it up for a clock
const RETRY = 3000;

/** The last status. */
export let device = {};
let paused = 0;
let logNext = 0;

export function online(words, kind) {
  $("link").textContent = words;
  $("link").className = "pill " + kind;
}

/** Takes over a status from whoever asked for it, and paints it. */
export function accept(status) {
  if (status.boot_id !== device.boot_id) logNext = 0;
  device = status;
  const rescue = status.mode === "rescue";
  online(rescue ? "Rescue mode" : "Connected", rescue ? "bad" : "good");
  document.title = status.name + " – pico-ota";
  $("name").textContent = status.name;
  $("about").textContent = status.board.replace("Raspberry Pi ", "") + " · MicroPython " + status.micropython;
  $("version-now").textContent = status.version || "No release yet";
  const state = { idle: ["running", "good"], trial: ["on trial", "warn"], staging: ["receiving", "warn"] };
  const [word, kind] = (!rescue && state[status.state]) || [rescue ? "rescue" : status.state, "bad"];
  $("state").textContent = word;
  $("state").className = "chip " + kind;
  show(status.require_signed, "signed");
  show(!status.require_signed, "folder-button", "target-label");
  paintFacts(status);
  paintBanners(status);
  paintActions(status);
  paintHistory(status.history);
  show(true, "main");
}

export async function refresh() {
  try {
    accept(await get("/api/v1/status", { tries: 0, timeout: 8000 }));
    await readLog();
    return true;
  } catch (e) {
    if (!device.name) show(true, "main");
    online(e.status ? "Error " + e.status : "Not answering", "bad");
    return false;
  }
}

/** Refreshes for ever while the page is looked at and nothing else talks to the device. */
export async function follow() {
  for (;;) {
    const well = paused || document.hidden || (await refresh());
    await sleep(well ? REST : RETRY);
  }
}

/** Runs *action* with the regular questions to the device held back, then asks once. */
export async function quietly(action) {
  paused++;
  try {
    return await action();
  } finally {
    paused--;
    refresh();
  }
}

async function readLog() {
  const log = $("log");
  const answer = await get("/api/v1/log?since=" + logNext, { tries: 0 });
  if (!logNext) log.textContent = "";
  logNext = answer.next;
  if (!answer.lines.length) return;
  const below = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  log.append(answer.lines.join("\n") + "\n");
  if (below) log.scrollTop = log.scrollHeight;
}

const facts = new Map();

function fact(label, text, used, total) {
  if (!facts.has(label)) {
    const value = el("dd");
    const bar = el("progress", { max: 1, ariaLabel: label + " used", hidden: !total });
    facts.set(label, { value, bar });
    $("facts").append(el("div", {}, el("dt", {}, label), value, bar));
  }
  const { value, bar } = facts.get(label);
  value.textContent = text;
  bar.value = used / total || 0;
  bar.className = bar.value > 0.85 ? "high" : "";
}

function paintFacts({ flash, memory, wifi, uptime_s, ip, board, micropython }) {
  fact("Flash", bytes(flash.free) + " free of " + bytes(flash.total), flash.total - flash.free, flash.total);
  fact("Memory", bytes(memory.free) + " free", memory.used, memory.used + memory.free);
  const rssi = wifi.rssi;
  const quality = rssi >= -55 ? "excellent" : rssi >= -67 ? "good" : rssi >= -75 ? "fair" : "weak";
  fact("Wi-Fi", rssi === null ? "–" : rssi + " dBm, " + quality);
  fact("Up for", duration(uptime_s));
  fact("Address", ip);
  fact("Board", board);
  fact("MicroPython", micropython);
}

const banners = new Map();

// A banner is made once and only its words change, so that focus and a half-done double click survive.
function banner(key, kind, text, ...buttons) {
  let line = banners.get(key);
  if (!text) {
    line?.remove();
    banners.delete(key);
    return;
  }
  if (!line) {
    line = el("div", { className: "note " + kind }, el("span"), ...buttons);
    banners.set(key, line);
    $("banners").append(line);
    say(text);
  }
  line.firstChild.textContent = text;
}

function paintBanners(status) {
  const { mode, state, trial, update, default_password, warnings, kept, version } = status;
  const rescue = mode === "rescue";
  banner("rescue", "rescue", rescue && "Rescue mode: the application is not running, only Wi-Fi and the updater are. " +
    "Update it, roll back, or restart normally.", button("Restart normally", () => restartNow("normal")));
  banner("trial", "warn", trial && state === "trial" &&
    `${version} is on trial, attempt ${trial.attempt} of ${trial.attempts}: ${duration(trial.remaining_s)} left to prove itself, ` +
    "else the old files come back.", button("Keep it now", confirmNow), twice("Undo it", "Really undo?", rollBack));
  banner("staging", "warn", update && !paused &&
    `${update.version} is here in part, ${bytes(update.received)} of ${bytes(update.bytes)}. Choose the same files to go on, or drop it.`,
    button("Drop it", () => attempt(() => call("DELETE", "/api/v1/update")).then(refresh)));
  banner("password", "warn", default_password &&
    "This device still has the default password: anyone on this network can change it. Set auth_password in your main.py.");
  banner("warnings", "warn", warnings?.join(" "));
}

let painted;

function paintActions({ kept, state, mode }) {
  const now = [kept, state, mode].join();
  if (now === painted) return;
  painted = now;
  const back = twice("Roll back to " + kept, "Really roll back?", rollBack);
  const other = mode === "rescue" ? "normal" : "rescue";
  $("actions").replaceChildren(
    twice("Restart", "Really restart?", () => restartNow("normal")),
    twice("Rescue mode", "Really restart?", () => restartNow("rescue")),
  );
  if (other === "normal") $("actions").lastChild.remove();
  if (kept && state === "idle") $("actions").prepend(back);
}

function paintHistory(history) {
  show(history.length, "history");
  const kinds = { confirmed: "good", installed: "good", reverted: "bad" };
  $("history").replaceChildren(...history.map(({ version, outcome, reason }) =>
    el("li", {}, el("b", { className: "name" }, version || "–"), el("span", { className: "chip " + kinds[outcome] }, outcome),
      ...(reason ? [el("small", {}, reason)] : []))));
}

const counting = (seconds) => online(`Restarting… ${seconds} s`, "warn");

export const restartNow = (mode) =>
  quietly(() => attempt(async () => {
    const seconds = await restart(mode, counting);
    note("good", `Back after ${seconds} s.`);
  }));

const rollBack = () =>
  quietly(() => attempt(async () => {
    const answer = await call("POST", "/api/v1/rollback");
    const seconds = await comeBack(answer.boot_id || device.boot_id, counting);
    const status = await settle((now) => now && accept(now));
    note("good", `Rolled back to ${status.version || "the files before"}: back after ${seconds} s.`);
  }));

const confirmNow = () =>
  attempt(async () => {
    await call("POST", "/api/v1/confirm");
    note("good", "Confirmed: the new files stay.");
    await refresh();
  });
