// SHA-256 (FIPS 180-4). Browsers keep crypto.subtle for https, and a device on a LAN is plain http.

// The constants: the first 32 bits of the fractions of the cube and square roots of the primes.
const fraction = (x) => ((x % 1) * 2 ** 32) | 0;
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const K = primes.map((p) => fraction(Math.cbrt(p)));

const turned = (x, n) => (x >>> n) | (x << (32 - n));
const turns = (x, i, j, k) => turned(x, i) ^ turned(x, j) ^ turned(x, k);

/** A digest that takes its bytes in pieces: update(Uint8Array) as often as needed, then hex(). */
export class Sha256 {
  constructor() {
    this.state = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));
    this.words = new Int32Array(64);
    this.block = new Uint8Array(64);
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
  }

  mix() {
    const { state, words, block } = this;
    const view = new DataView(block.buffer);
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const x = words[i - 15];
      const y = words[i - 2];
      words[i] = i < 16
        ? view.getInt32(i * 4)
        : words[i - 16] + words[i - 7] + (turned(x, 7) ^ turned(x, 18) ^ (x >>> 3)) + (turned(y, 17) ^ turned(y, 19) ^ (y >>> 10));
      const t = (h + turns(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t) | 0;
      d = c;
      c = b;
      b = a;
      a = (t + turns(b, 2, 13, 22) + ((b & c) ^ (b & d) ^ (c & d))) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
  }

  hex() {
    // One bit, zeros up to 8 bytes before the end of a block, then the length in bits.
    const size = this.length;
    const pad = new Uint8Array(((size + 8) >> 6) * 64 + 64 - size);
    pad[0] = 128;
    new DataView(pad.buffer, pad.length - 8).setBigUint64(0, BigInt(size * 8));
    this.update(pad);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
