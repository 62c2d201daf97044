// Requests to the device: credentials, one at a time, waiting and trying again where that helps.

import { sleep } from "./dom.js";

const KEPT = "pico-ota";
let authorization = sessionStorage.getItem(KEPT);

/** What the caller may set: how to ask for a password, and how to show that we wait. */
export const hooks = { login: null, waiting: null };

/** An answer that says no, or (status 0) no answer. `word` and the rest are the device's own. */
export class Failure extends Error {
  constructor(status, reason) {
    super(reason.message || "The device answered " + status + ".");
    Object.assign(this, reason, { status, word: reason.error });
  }
}

export function useCredentials(user, password, keep) {
  authorization = "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(user + ":" + password)));
  sessionStorage.removeItem(KEPT);
  if (keep) sessionStorage.setItem(KEPT, authorization);
}

/** "/fs" + a device path, each name escaped. */
export const url = (prefix, path) => prefix + path.split("/").map(encodeURIComponent).join("/");

// The device serves three connections and each new one costs it up to 250 ms: requests queue here,
// so the browser keeps to one. Only progress is asked for aside, while a long upload runs.
let tail = Promise.resolve();
function turn() {
  let leave;
  const before = tail;
  tail = new Promise((done) => (leave = done));
  return before.then(() => leave);
}

async function once(method, path, { headers, json, body, signal, timeout = 20000, blob }) {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const timer = setTimeout(abort, timeout);
  signal?.addEventListener("abort", abort);
  try {
    const response = await fetch(path, {
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
    if (response.ok && blob) return await response.blob();
    const text = await response.text();
    let data = {};
    try {
      data = JSON.parse(text);
    } catch {
      // A body that is not JSON says nothing that we could use; the status is what counts.
    }
    if (!response.ok) {
      const seconds = +response.headers.get("Retry-After");
      throw new Failure(response.status, { retry_after: seconds, ...data });
    }
    return { ...data, http: response.status, etag: (response.headers.get("ETag") || "").replaceAll('"', "") };
  } catch (e) {
    signal?.throwIfAborted();
    if (e instanceof Failure) throw e;
    throw new Failure(0, { message: "No answer from the device: is it on, and on the same network?" });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

// Milliseconds until another try makes sense, or nothing where it does not.
function patience(failure, tries, n) {
  if (n >= tries) return 0;
  if (failure.status === 0) return Math.min(8000, 500 * 2 ** n);
  if ([409, 429, 503].includes(failure.status)) return Math.min(60, failure.retry_after) * 1000;
  return 0;
}

/**
 * One request, answered with the JSON of its body. Options: json or body, headers, signal, timeout,
 * `tries` more tries after no answer or "later", `aside` not to queue, `blob` to get the bytes.
 */
export async function call(method, path, options = {}) {
  const leave = options.aside ? () => {} : await turn();
  try {
    for (let n = 0; ; n++) {
      options.signal?.throwIfAborted();
      try {
        return await once(method, path, options);
      } catch (e) {
        if (e.status === 401 && hooks.login) {
          await hooks.login(authorization ? e.message : "");
          continue;
        }
        const wait = e instanceof Failure && patience(e, options.tries ?? 2, n);
        if (!wait) throw e;
        hooks.waiting?.(wait, e);
        await sleep(wait, options.signal);
      }
    }
  } finally {
    leave();
  }
}

export const get = (path, options) => call("GET", path, options);
