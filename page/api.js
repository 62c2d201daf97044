// Requests to the device: credentials, one at a time, waiting and trying again where that helps.

import { sleep } from "./dom.js";

const KEPT = "pico-ota";
let authorization = sessionStorage.getItem(KEPT);

/** What others set: how to ask for a password (login), to show that we wait (waiting), and what follows a restart (restarted). */
export const hooks = {};

/** An answer that says no, or (status 0) no answer. `error` and the rest are the device's own. */
export class Failure extends Error {
  constructor(status, reason) {
    super(reason.message || "The device answered " + status + ".");
    Object.assign(this, reason, { status });
  }
}

export function useCredentials(user, password, keep) {
  authorization = "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(user + ":" + password)));
  sessionStorage.removeItem(KEPT);
  if (keep) sessionStorage.setItem(KEPT, authorization);
}

/** A device path as part of an address, each name escaped. */
export const address = (prefix, path) => prefix + path.split("/").map(encodeURIComponent).join("/");

// The device serves three connections and each new one costs it up to 250 ms: requests queue here,
// so the browser keeps to one. Only progress is asked for aside, while a long upload runs.
let tail = Promise.resolve();
function turn() {
  const before = tail;
  let leave;
  tail = new Promise((done) => (leave = done));
  return before.then(() => leave);
}

async function once(method, path, { headers, json, body, signal, timeout = 20000, blob }) {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const timer = setTimeout(abort, timeout);
  signal?.addEventListener("abort", abort);
  try {
    // Relative: an application may serve the page below a prefix of its own.
    const response = await fetch("." + path, {
      method,
      body: json ? JSON.stringify(json) : body,
      cache: "no-store",
      signal: stop.signal,
      headers: {
        "X-Requested-With": "pico-ota",
        ...(json && { "Content-Type": "application/json" }),
        ...(authorization && { Authorization: authorization }),
        ...headers,
      },
    });
    const { ok, status, headers: said } = response;
    if (ok && blob) return await response.blob();
    const text = await response.text();
    const data = text.startsWith("{") ? JSON.parse(text) : {};
    if (ok) return { ...data, status, etag: said.get("ETag")?.replaceAll('"', "") };
    throw new Failure(status, { retry_after: said.get("Retry-After"), ...data });
  } catch (e) {
    signal?.throwIfAborted();
    throw e instanceof Failure ? e : new Failure(0, { message: "No answer from the device: is it on, and on this network?" });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

// Milliseconds until another try makes sense, or nothing where it does not.
function patience({ status, retry_after }, n) {
  if (!status) return Math.min(8000, 500 * 2 ** n);
  return [409, 429, 503].includes(status) && Math.min(60, retry_after) * 1000;
}

/**
 * One request, answered with the JSON of its body. Options: json or body, headers, signal, timeout,
 * `tries` more tries after no answer or "later", `aside` not to queue, `blob` to get the bytes.
 */
export async function call(method, path, options = {}) {
  const leave = !options.aside && (await turn());
  try {
    for (let n = 0; ; n++) {
      try {
        const answer = await once(method, path, options);
        if (n) hooks.waiting(0);
        return answer;
      } catch (e) {
        const wait = n < (options.tries ?? 2) && patience(e, n);
        if (e.status === 401) {
          await hooks.login(authorization && e.message);
        } else if (wait) {
          hooks.waiting(wait, e);
          await sleep(wait, options.signal);
        } else {
          throw e;
        }
      }
      options.signal?.throwIfAborted();
    }
  } finally {
    if (leave) leave();
  }
}

export const get = (path, options) => call("GET", path, options);
