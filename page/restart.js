// Restarts and what follows them. Nothing counts as done before the device says so itself.

import { call, get } from "./api.js";
import { sleep } from "./dom.js";

const SETTLED = ["idle", "staging"];

/** Waits for another boot id than *before*; answers the seconds it took. */
export async function comeBack(before, tell, signal) {
  const start = performance.now();
  for (;;) {
    await sleep(800, signal);
    signal?.throwIfAborted();
    const seconds = Math.round((performance.now() - start) / 1000);
    tell(seconds);
    try {
      const info = await get("/api/v1/info", { tries: 0, timeout: 4000, signal });
      if (info.boot_id !== before) return seconds;
    } catch {
      signal?.throwIfAborted();
    }
  }
}

/** Restarts into "normal" or "rescue"; answers the seconds until the device was back. */
export async function restart(mode, tell) {
  const answer = await call("POST", "/api/v1/reboot", { json: { mode } });
  return comeBack(answer.boot_id, tell);
}

/** Follows the status until an update has settled; answers it. The device may restart meanwhile. */
export async function settle(tell, signal) {
  for (;;) {
    try {
      const status = await get("/api/v1/status", { tries: 0, timeout: 6000, signal });
      if (SETTLED.includes(status.state)) return status;
      tell(status);
    } catch (e) {
      signal?.throwIfAborted();
      tell(null);
    }
    await sleep(1500, signal);
  }
}
