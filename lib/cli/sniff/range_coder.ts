/**
 * Undoes ENet's compression: an adaptive range coder that predicts a byte from the two before it. Written here, because
 * `enet sniff` reads the datagrams of strangers, which no native code needs to see for that.
 *
 * A context knows which bytes have followed, and how often. There is the root, which knows all bytes, one context for
 * each byte that has followed there, and one for each that has followed these. What a context does not know is an
 * escape to the shorter one. Both sides forget everything when 4,096 bytes and contexts are known.
 *
 * @module
 */

const TOP = 2 ** 24;
const BOTTOM = 2 ** 16;
/** What is added to a count: in the root, and in other contexts. */
const ROOT_DELTA = 3;
const DELTA = 2;
const ESCAPE_DELTA = 5;
/** Counts above these are halved. */
const ROOT_MAXIMUM = 0xFF - 2 * ROOT_DELTA + 1;
const MAXIMUM = 0xFF - 2 * DELTA;
const TOTAL_MAXIMUM = BOTTOM - 0x100;
const ORDER = 2;
const SYMBOLS = 4096;

/** A byte that has followed in a context, and the context of what follows it. */
class Context {
  readonly value: number;
  count = 0;
  escapes = 0;
  total = 0;
  /** The context of the same byte one order lower. */
  parent: Context | undefined;
  /** What has followed, in ascending order. */
  readonly followers: Context[] = [];

  constructor(value: number) {
    this.value = value;
  }

  /** Where a byte is among the followers, or would be. */
  indexOf(value: number): number {
    let low = 0;
    let high = this.followers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.followers[middle].value < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Halves all counts. @param minimum what each byte counts beside its count */
  rescale(minimum: number): void {
    let sum = 0;
    for (const follower of this.followers) {
      follower.count -= follower.count >> 1;
      sum += follower.count;
    }
    this.escapes -= this.escapes >> 1;
    this.total = sum + this.escapes + 256 * minimum;
  }
}

/** The bits that were read, as a range that becomes narrower. All numbers are unsigned, of 32 bits. */
class Reader {
  readonly #data: Uint8Array;
  #at = 0;
  #low = 0;
  #range = 0xFFFFFFFF;
  #code = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
    for (let i = 0; i < 4; i++) this.#shift();
  }

  #shift(): void {
    this.#code = ((this.#code << 8) | (this.#at < this.#data.length ? this.#data[this.#at] : 0)) >>>
      0;
    this.#at++;
  }

  /** Which part of the total is next. It may be above the total, where the data is no compressed data. */
  read(total: number): number {
    this.#range = Math.floor(this.#range / total);
    return Math.floor(((this.#code - this.#low) >>> 0) / this.#range);
  }

  /** Takes the part that begins at `under`. */
  take(under: number, count: number): void {
    this.#low = (this.#low + under * this.#range) >>> 0;
    this.#range = (this.#range * count) >>> 0;
    for (;;) {
      if (((this.#low ^ (this.#low + this.#range)) >>> 0) >= TOP) {
        if (this.#range >= BOTTOM) return;
        this.#range = -this.#low & (BOTTOM - 1);
      }
      this.#shift();
      this.#range = (this.#range << 8) >>> 0;
      this.#low = (this.#low << 8) >>> 0;
    }
  }
}

/** The contexts of one datagram. */
class Model {
  root = new Context(0);
  #known = 0;
  /** The longest context that the last bytes make. */
  #predicted: Context = this.root;
  #order = 0;

  constructor() {
    this.#forget();
  }

  #forget(): void {
    this.root = new Context(0);
    this.root.escapes = 1;
    this.root.total = 1 + 256;
    this.#known = 1;
    this.#predicted = this.root;
    this.#order = 0;
  }

  #count(context: Context, value: number, delta: number): { follower: Context; before: number } {
    const index = context.indexOf(value);
    let follower = context.followers[index];
    if (follower?.value !== value) {
      follower = new Context(value);
      follower.parent = this.root;
      context.followers.splice(index, 0, follower);
      this.#known++;
    }
    const before = follower.count;
    follower.count += delta;
    return { follower, before };
  }

  /** Decodes a byte in one context. @returns it, or undefined for an escape, or null for data that is wrong */
  #decodeIn(context: Context, reader: Reader): Context | undefined | null {
    const { escapes, total } = context;
    if (escapes <= 0 || escapes >= total) return undefined;
    const code = reader.read(total);
    if (code < escapes) {
      reader.take(0, escapes);
      return undefined;
    }
    let under = escapes;
    for (const follower of context.followers) {
      if (code < under + follower.count) {
        const { count } = follower;
        reader.take(under, count);
        follower.count += DELTA;
        context.total += DELTA;
        if (count > MAXIMUM || context.total > TOTAL_MAXIMUM) context.rescale(0);
        return follower;
      }
      under += follower.count;
    }
    return null;
  }

  /** Decodes a byte in the root. @returns it, undefined at the end, or null for data that is wrong */
  #decodeInRoot(reader: Reader): Context | undefined | null {
    const { root } = this;
    const code = reader.read(root.total);
    if (code < root.escapes) return undefined;
    let under = root.escapes;
    let value = 0;
    for (const follower of root.followers) {
      const gap = follower.value - value;
      if (code < under + gap) break;
      under += gap;
      value = follower.value;
      if (code < under + follower.count + 1) break;
      under += follower.count + 1;
      value++;
    }
    const known = root.followers[root.indexOf(value)];
    let count = known?.value === value ? known.count + 1 : 1;
    if (count === 1 || code >= under + count) {
      // Bytes that have not followed count 1 each.
      value += code - under;
      under = code;
      count = 1;
    }
    if (value > 255) return null;
    reader.take(under, count);
    const { follower } = this.#count(root, value, ROOT_DELTA);
    root.total += ROOT_DELTA;
    if (count > ROOT_MAXIMUM || root.total > TOTAL_MAXIMUM) root.rescale(1);
    return follower;
  }

  /** Counts the byte in the contexts that did not know it. */
  #patch(known: Context, value: number, found: Context): void {
    let longer: Context | undefined;
    let predicted: Context | undefined;
    for (let context = this.#predicted; context !== known; context = context.parent!) {
      const { follower, before } = this.#count(context, value, DELTA);
      if (longer === undefined) predicted = follower;
      else longer.parent = follower;
      longer = follower;
      if (before === 0) {
        context.escapes += ESCAPE_DELTA;
        context.total += ESCAPE_DELTA;
      }
      context.total += DELTA;
      if (before > MAXIMUM || context.total > TOTAL_MAXIMUM) context.rescale(0);
    }
    if (longer !== undefined) longer.parent = found;
    this.#predicted = predicted ?? found;
  }

  /** The next byte; undefined at the end, or null for data that is wrong. */
  next(reader: Reader): number | undefined | null {
    let known = this.#predicted;
    let found: Context | undefined | null;
    for (; known !== this.root; known = known.parent!) {
      found = this.#decodeIn(known, reader);
      if (found !== undefined) break;
    }
    if (known === this.root) found = this.#decodeInRoot(reader);
    if (found === undefined || found === null) return found;
    const { value } = found;
    this.#patch(known, value, found);
    if (this.#order >= ORDER) this.#predicted = this.#predicted.parent!;
    else this.#order++;
    if (this.#known >= SYMBOLS - ORDER) this.#forget();
    return value;
  }
}

/**
 * Decompresses what ENet's range coder has compressed.
 *
 * @param maximum bytes that it may become
 * @returns the bytes, or undefined when the data is no such thing
 */
export function decompress(data: Uint8Array, maximum: number): Uint8Array | undefined {
  const out = new Uint8Array(maximum);
  const reader = new Reader(data);
  const model = new Model();
  for (let length = 0;; length++) {
    const value = model.next(reader);
    if (value === undefined) return out.subarray(0, length);
    if (value === null || length === maximum) return undefined;
    out[length] = value;
  }
}
