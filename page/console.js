// What the program prints, followed while somebody looks at it.

import { get } from "./api.js";
import { work } from "./card.js";
import { append, button, renew, show, sleep, ui } from "./dom.js";

const EVERY = 2000;

let next = 0;
let boot;
let paused = false;

async function read() {
  const { boot_id, next: end, missed, text, traceback } = await get("/api/v1/console?since=" + next, { tries: 0, timeout: 4000 });
  if (boot && boot_id !== boot) append(ui.printed, "\n--- restarted ---\n");
  if (boot_id !== boot && next) {
    // Counted from the start, which is another one: all of it is new.
    [boot, next] = [boot_id, 0];
    return read();
  }
  boot = boot_id;
  append(ui.printed, (missed ? `\n--- ${missed} bytes were not kept ---\n` : "") + text);
  next = end;
  show(traceback, ui.lastTrace);
  ui.lastTrace.textContent = traceback;
}

function paint() {
  renew(ui.consoleButtons, paused, () => [
    button(paused ? "Go on" : "Pause", () => {
      paused = !paused;
      paint();
    }),
    button("Clear", () => ui.printed.replaceChildren()),
    button("Copy", () => {
      // The clipboard itself is closed to pages without TLS.
      getSelection().selectAllChildren(ui.printed);
      document.execCommand("copy");
    }),
  ]);
}

/** Follows for ever while the card is open, the tab is seen and no file is on its way. */
export async function startConsole() {
  paint();
  for (;; await sleep(EVERY)) {
    if (ui.console.open && !paused && !document.hidden && !work.sending) await read().catch(() => {});
  }
}
