// SHA-256 (FIPS 180-4). Browsers keep crypto.subtle for https, and a device on a LAN is plain http.

// The constants: the first 32 bits of the fractions of the cube and square roots of the primes.
const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const K = primes.map((p) => fraction(Math.cbrt(p)));
const START = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));

/** A digest that takes its bytes in pieces: update(Uint8Array) as often as needed, then hex(). */
export class Sha256 {
  constructor() {
    this.state = Int32Array.from(START);
    this.words = new Int32Array(64);
    this.block = new Uint8Array(64);
    this.view = new DataView(this.block.buffer);
    this.length = 0;
  }

  update(data) {
    for (let at = 0; at < data.length; ) {
      const used = this.length % 64;
      const part = data.subarray(at, at + 64 - used);
      this.block.set(part, used);
      at += part.length;
      this.length += part.length;
      if (this.length % 64 === 0) this.mix();
    }
    return this;
  }

  mix() {
    const { state, words, view } = this;
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(i * 4);
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15];
      const y = words[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = words[i - 16] + s0 + words[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
  }

  hex() {
    const size = this.length;
    // One bit, zeros up to 8 bytes before the end of a block, then the length in bits.
    const pad = new Uint8Array(((size + 8) >> 6) * 64 + 64 - size);
    pad[0] = 128;
    const tail = new DataView(pad.buffer, pad.length - 8);
    tail.setUint32(0, Math.floor(size / 2 ** 29));
    tail.setUint32(4, size * 8);
    this.update(pad);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

const known = new WeakMap();

/** The digest of a File as hex; read in pieces, so that a big file freezes nothing. */
export async function digest(file, signal) {
  if (!known.has(file)) {
    const sha = new Sha256();
    for (let at = 0; at < file.size; at += 131072) {
      signal?.throwIfAborted();
      sha.update(new Uint8Array(await file.slice(at, at + 131072).arrayBuffer()));
    }
    known.set(file, sha.hex());
  }
  return known.get(file);
}
