// Byte strings. Everything that is hashed, signed or sent is one of these; text becomes bytes in exactly one way, UTF-8.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** Bytes or text are not of the form that is asked for. The message says of which, for people who look into it. */
export class Malformed extends Error {
  /** @param {string} what */
  constructor(what) {
    super(`malformed: ${what}`);
    this.name = "Malformed";
  }
}

/**
 * @param {...Uint8Array} parts
 * @returns {Bytes}
 */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Whether two byte strings are the same. Nothing secret is compared with it, so it need not take equal time.
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
export function equal(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/**
 * Bytewise order, as sorted CBOR keys and registry keys have it.
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
export function compare(a, b) {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = /** @type {number} */ (a[at]) - /** @type {number} */ (b[at]);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/**
 * UTF-8 of a text. Lone surrogates have none; encoders would quietly write another character, so they are refused.
 * @param {string} text
 * @returns {Bytes}
 */
export function utf8(text) {
  if (/\p{Surrogate}/u.test(text)) throw new Malformed("text with half a character");
  return new TextEncoder().encode(text);
}

/**
 * Reads UTF-8, and nothing that only resembles it. A byte order mark is a character like any other.
 * @param {Uint8Array} bytes
 */
export function fromUtf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed("UTF-8");
  }
}

/**
 * A number as eight bytes, largest first. Sizes, indices and times beyond 2^53 do not occur and are refused where they are read.
 * @param {number} value
 * @returns {Bytes}
 */
export function u64be(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new Malformed("a whole number below 2^53");
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/**
 * @param {Uint8Array} bytes
 */
export function fromU64be(bytes) {
  if (bytes.length !== 8) throw new Malformed("eight bytes");
  const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed("a whole number below 2^53");
  return Number(value);
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A decimal number in its shortest form, as checkpoints, proofs and requests write it.
 * @param {string} text
 */
export function decimal(text) {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw new Malformed("a number in its shortest form");
  return value;
}

/**
 * @param {number} length
 * @returns {Bytes}
 */
export function random(length) {
  return crypto.getRandomValues(new Uint8Array(length));
}
