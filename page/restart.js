// Restarts and what follows them. Nothing counts as done before the device says so itself.

import { get } from "./api.js";
import { duration, sleep } from "./dom.js";

/** What to do when a restart has taken *seconds*; nothing as long as that is usual. */
export const patience = (seconds, fallback) =>
  seconds >= 30 && `No answer for ${duration(seconds)}. Keep it powered and this page open: if it does not start, ${fallback} by itself, within about four minutes. ` +
    "If nothing comes by then, switch it off and on, and look whether it has another address now.";

/** Waits for another boot id than *before*; answers the seconds it took. */
export async function comeBack(before, tell, signal) {
  const start = performance.now();
  for (;;) {
    await sleep(800, signal);
    const seconds = Math.round((performance.now() - start) / 1000);
    tell(seconds);
    try {
      const { boot_id } = await get("/api/v1/info", { tries: 0, timeout: 4000, signal });
      if (boot_id !== before) return seconds;
    } catch {
      signal?.throwIfAborted();
    }
  }
}

/** Follows the status until an update has settled; answers it. The device may restart meanwhile. */
export async function settle(tell, signal) {
  for (;;) {
    try {
      const status = await get("/api/v1/status", { tries: 0, timeout: 6000, signal });
      tell(status);
      if (/idle|staging/.test(status.state)) return status;
    } catch {
      signal?.throwIfAborted();
      tell(null);
    }
    await sleep(1000, signal);
  }
}
