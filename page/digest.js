// Logging in by Digest (RFC 7616): the password never leaves, and bodies are signed with it.

import { Sha256 } from "./sha256.js";

const REALM = "pico-ota";
const STORED = "pico-ota";
// What the device keeps of the password (64 hex), and behind it the user name. Null where the
// browser has asked for the password itself: then it signs, in its own way.
let own = sessionStorage.getItem(STORED);
let nonce;
let count;

/** The SHA-256 (hex) of *data*: text, Blob or bytes. */
export async function hash(data) {
  const sha = new Sha256();
  sha.update(new Uint8Array(await new Blob([data]).arrayBuffer()));
  return sha.hex();
}

const random = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
const secretOf = (user, password) => hash(`${user}:${REALM}:${password}`);

export async function useCredentials(user, password, keep) {
  own = (await secretOf(user, password)) + user;
  sessionStorage.removeItem(STORED);
  if (keep) sessionStorage.setItem(STORED, own);
}

/** What tells the device a new password: what it keeps of it, XOR with what only it and we know. */
export async function masked(user, old, password) {
  const salt = random(32);
  const mask = await hash((await secretOf(user, old)) + ":new password:" + salt);
  const fresh = await secretOf(user, password);
  const both = BigInt("0x" + mask) ^ BigInt("0x" + fresh);
  return { masked: both.toString(16).padStart(64, "0"), salt, check: await hash(fresh + ":" + mask) };
}

/** Takes the nonce out of *offer*, a WWW-Authenticate; true where the same request should be sent again. */
export function learn(offer) {
  const first = !nonce;
  nonce = /nonce="(\w+)"/.exec(offer)?.[1];
  count = 0;
  return own && nonce && (first || /stale=true/.test(offer));
}

/** The Authorization for a request at *url* whose body has the SHA-256 *body*; nothing while that is not known. */
export async function sign(method, url, body) {
  if (!own || !nonce) return;
  const { pathname, search } = new URL(url, document.baseURI);
  const uri = pathname + search;
  const nc = (++count).toString(16).padStart(8, "0");
  const mine = random(8);
  const about = await hash(`${method}:${uri}:${body}`);
  const proof = await hash([own.slice(0, 64), nonce, nc, mine, "auth-int", about].join(":"));
  // A scheme that no browser knows, as it was offered: else it would take the answer for its own.
  return `xDigest username*=UTF-8''${encodeURIComponent(own.slice(64))}, realm="${REALM}", nonce="${nonce}", uri="${uri}", ` +
    `algorithm=SHA-256, qop=auth-int, nc=${nc}, cnonce="${mine}", response="${proof}"`;
}
