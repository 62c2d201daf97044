// Requests to the device: credentials, one at a time, waiting and trying again where that helps.

import { hash, learn, sign } from "./digest.js";
import { sleep } from "./dom.js";

/** What others set: how to ask for a password (login), to show that we wait (waiting), and what follows where files may be others now (changed). */
export const hooks = {};

/** An answer that says no, or (status 0) no answer. `error` and the rest are the device's own. */
export class Failure extends Error {
  constructor(status, reason) {
    super(reason.message || "The device answered " + status + ".");
    Object.assign(this, reason, { status });
  }
}

/** A device path as part of an address, each name escaped. */
export const address = (prefix, path) => prefix + path.split("/").map(encodeURIComponent).join("/");

// The device serves three connections and each new one costs it up to 250 ms: requests queue here,
// so the browser keeps to one.
let tail = Promise.resolve();
function queue() {
  const before = tail;
  let leave;
  tail = new Promise((done) => (leave = done));
  return before.then(() => leave);
}

// XMLHttpRequest, since fetch cannot tell how much of a body has left. Resolves when it is over,
// however it ended: without an answer the status is 0.
const exchange = (method, url, all, body, { signal, timeout = 20000, blob, progress }) =>
  new Promise((done) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open(method, url);
    request.timeout = timeout;
    request.responseType = blob ? "blob" : "text";
    for (const name in all) request.setRequestHeader(name, all[name]);
    if (progress) request.upload.onprogress = ({ loaded }) => progress(loaded);
    request.onloadend = () => {
      signal?.removeEventListener("abort", abort);
      done(request);
    };
    signal?.addEventListener("abort", abort);
    request.send(body);
  });

async function once(method, path, options, again = 3) {
  options.signal?.throwIfAborted();
  const { json, headers } = options;
  const body = json ? JSON.stringify(json) : options.body;
  const sha = await hash(body ?? "");
  // Relative: an application may serve the page below a prefix of its own. The SHA-256 of what is
  // sent stands in the address, since that is what browsers sign, too.
  const url = "." + path + (body === undefined ? "" : "?sha256=" + sha);
  const authorization = await sign(method, url, sha);
  const all = {
    "X-Requested-With": "pico-ota",
    ...(json && { "Content-Type": "application/json" }),
    ...(authorization && { Authorization: authorization }),
    ...headers,
  };
  const request = await exchange(method, url, all, body, options);
  options.signal?.throwIfAborted();
  const { status, response } = request;
  const said = (name) => request.getResponseHeader(name);
  const ok = status >= 200 && status < 300;
  const etag = said("ETag")?.replaceAll('"', "");
  if (ok && options.blob) return Object.assign(response, { etag });
  const text = options.blob ? (response ? await response.text() : "") : response;
  const data = /^\{.*\}\s*$/s.test(text) ? JSON.parse(text) : {};
  if (ok) return { ...data, status, etag };
  if (status === 401 && learn(said("WWW-Authenticate")) && again) return once(method, path, options, again - 1);
  if (status) throw new Failure(status, { retry_after: said("Retry-After"), signed: !!authorization, ...data });
  throw new Failure(0, { message: "No answer from the device: is it on, and on this network?" });
}

let waited = false;

/** Waits before one more try after *failure*, the *n*-th in a row; false where a try makes no sense. */
export async function pause(failure, n, signal) {
  signal?.throwIfAborted();
  const { status, retry_after } = failure;
  const later = [409, 503].includes(status) && Math.min(60, retry_after) * 1000;
  const wait = status ? later : Math.min(8000, 500 * 2 ** n);
  if (!wait) return false;
  waited = true;
  hooks.waiting(wait, failure);
  await sleep(wait, signal);
  signal?.throwIfAborted();
  return true;
}

/**
 * One request, answered with the JSON of its body. Options: json or body, headers, signal, timeout,
 * `tries` more tries after no answer or "later", `blob` to get the bytes as a Blob, `progress` to be told
 * how many bytes of the body have left.
 */
export async function call(method, path, options = {}) {
  const leave = await queue();
  try {
    for (let n = 0; ; n++) {
      try {
        const answer = await once(method, path, options);
        if (waited) hooks.waiting((waited = false));
        return answer;
      } catch (e) {
        if (e.status === 401 || e.status === 429) await hooks.login(e.signed && e.message, e.retry_after);
        else if (n >= (options.tries ?? 2) || !(await pause(e, n, options.signal))) throw e;
      }
      options.signal?.throwIfAborted();
    }
  } finally {
    leave();
  }
}

export const get = (path, options) => call("GET", path, options);
