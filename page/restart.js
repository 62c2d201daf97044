// Restarts and what follows them. Nothing counts as done before the device says so itself.

import { get } from "./api.js";
import { sleep } from "./dom.js";

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
