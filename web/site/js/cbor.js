// Deterministic CBOR (RFC 8949 §4.2.1), the part of it that Quorate's formats use: unsigned and negative integers, byte and text
// strings, arrays, maps, true and false. What is hashed or signed has exactly one encoding, so every other form of it is refused:
// longer integers, members out of order or twice, indefinite lengths, bytes that follow. Null, floats and tags occur in no format.

import { Malformed, compare, concat, fromUtf8, utf8 } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {number | bigint | string} Key */
/** @typedef {any[]} List */
/** @typedef {number | bigint | boolean | string | Uint8Array | List | ReadonlyMap<Key, any>} Value */

/** Deepest nesting that is read; the formats need five. */
const MAX_DEPTH = 16;
/** Largest item that is read, bytes: four of the gateway's largest request. */
const MAX_BYTES = 256 * 1024;

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE = 7;
const FALSE = 0xf4;
const TRUE = 0xf5;

/**
 * The canonical encoding. Members with the value `undefined` are a mistake of the caller: absent members are absent.
 * @param {Value} value
 * @returns {Bytes}
 */
export function encode(value) {
  if (typeof value === "boolean") return Uint8Array.of(value ? TRUE : FALSE);
  if (typeof value === "number" || typeof value === "bigint") return encodeInteger(value);
  if (typeof value === "string") {
    const bytes = utf8(value);
    return concat(head(TEXT, bytes.length), bytes);
  }
  if (value instanceof Uint8Array) return concat(head(BYTES, value.length), value);
  if (Array.isArray(value)) return concat(head(ARRAY, value.length), ...value.map(encode));
  if (value instanceof Map) return encodeMap(value);
  throw new Malformed("a value that CBOR has here");
}

/**
 * A map of the members that are present, for formats with optional ones.
 * @param {[Key, Value | undefined][]} members
 * @returns {Map<Key, Value>}
 */
export function present(members) {
  /** @type {Map<Key, Value>} */
  const map = new Map();
  for (const [key, value] of members) {
    if (value !== undefined) map.set(key, value);
  }
  return map;
}

/** @param {ReadonlyMap<Key, Value>} map */
function encodeMap(map) {
  const members = Array.from(map, ([key, value]) => ({ key: encode(key), value: encode(value) }));
  members.sort((a, b) => compare(a.key, b.key));
  return concat(head(MAP, map.size), ...members.flatMap(({ key, value }) => [key, value]));
}

/** @param {number | bigint} value */
function encodeInteger(value) {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Malformed("a whole number");
  return value < 0 ? head(NEGATIVE, -1n - BigInt(value)) : head(UNSIGNED, value);
}

/**
 * Major type and argument in the shortest form.
 * @param {number} major
 * @param {number | bigint} argument
 */
function head(major, argument) {
  const wide = BigInt(argument);
  const first = major << 5;
  if (wide < 24n) return Uint8Array.of(first | Number(wide));
  if (wide < 0x100n) return Uint8Array.of(first | 24, Number(wide));
  const length = wide < 0x1_0000n ? 2 : wide < 0x1_0000_0000n ? 4 : 8;
  if (wide > 0xffff_ffff_ffff_ffffn) throw new Malformed("an integer of 64 bits");
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, wide);
  return concat(Uint8Array.of(first | (length === 2 ? 25 : length === 4 ? 26 : 27)), bytes.subarray(8 - length));
}

/**
 * Reads one canonical item and nothing after it. Integers beyond 2^53 come as bigint, maps as Map in the order of their keys.
 * @param {Uint8Array} bytes
 * @returns {Value}
 */
export function decode(bytes) {
  if (bytes.length > MAX_BYTES) throw new Malformed("CBOR of at most 256 KiB");
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new Malformed("CBOR with nothing behind it");
  return value;
}

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /**
   * @param {number} depth
   * @returns {Value}
   */
  value(depth) {
    if (depth > MAX_DEPTH) throw new Malformed("CBOR of bounded depth");
    const first = this.byte();
    const major = first >> 5;
    if (major === SIMPLE) {
      if (first === TRUE || first === FALSE) return first === TRUE;
      throw new Malformed("CBOR without null, floats and other simple values");
    }
    const argument = this.argument(first & 31);
    switch (major) {
      case UNSIGNED:
        return narrow(argument);
      case NEGATIVE:
        return narrow(-1n - argument);
      case BYTES:
        return this.take(argument).slice();
      case TEXT:
        return fromUtf8(this.take(argument));
      case ARRAY:
        return Array.from({ length: this.count(argument) }, () => this.value(depth + 1));
      case MAP:
        return this.map(this.count(argument), depth + 1);
      default:
        throw new Malformed("CBOR without tags");
    }
  }

  /**
   * @param {number} count
   * @param {number} depth
   */
  map(count, depth) {
    /** @type {Map<Key, Value>} */
    const map = new Map();
    /** @type {Uint8Array | undefined} */
    let before;
    for (let member = 0; member < count; member += 1) {
      const start = this.at;
      const key = this.value(depth);
      const encoded = this.bytes.subarray(start, this.at);
      if (typeof key !== "string" && typeof key !== "number" && typeof key !== "bigint") {
        throw new Malformed("a map whose keys are integers or text");
      }
      // Strictly ascending keys also means that none stands twice.
      if (before !== undefined && compare(before, encoded) >= 0) throw new Malformed("a map in order");
      before = encoded;
      map.set(key, this.value(depth));
    }
    return map;
  }

  /** @param {number} additional */
  argument(additional) {
    if (additional < 24) return BigInt(additional);
    if (additional > 27) throw new Malformed("CBOR of definite length");
    const length = 1 << (additional - 24);
    const bytes = this.take(BigInt(length));
    const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const least = length === 1 ? 24n : 1n << BigInt((length / 2) * 8);
    if (value < least) throw new Malformed("an integer in its shortest form");
    return value;
  }

  /**
   * Every member takes a byte at least, so a count beyond the rest is refused before anything is allocated for it.
   * @param {bigint} argument
   */
  count(argument) {
    if (argument > BigInt(this.bytes.length - this.at)) throw new Malformed("CBOR that is not cut short");
    return Number(argument);
  }

  byte() {
    return /** @type {number} */ (this.take(1n)[0]);
  }

  /** @param {bigint} length */
  take(length) {
    if (length > BigInt(this.bytes.length - this.at)) throw new Malformed("CBOR that is not cut short");
    const start = this.at;
    this.at += Number(length);
    return this.bytes.subarray(start, this.at);
  }
}

/** @param {bigint} wide */
function narrow(wide) {
  const value = Number(wide);
  return Number.isSafeInteger(value) ? value : wide;
}
