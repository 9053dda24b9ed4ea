// JSON that came from outside: nothing is known about its shape until it was looked at.

import { fromBase64urlOf } from "./base64.js";
import { Malformed } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/**
 * The members of a JSON object that is not yet known to be one.
 * @param {unknown} answer
 * @returns {Record<string, unknown>}
 */
export function members(answer) {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) throw new Malformed("a JSON object");
  return /** @type {Record<string, unknown>} */ (answer);
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function textOf(value) {
  if (typeof value !== "string") throw new Malformed("JSON text");
  return value;
}

/**
 * @param {unknown} value
 * @returns {number}
 */
export function numberOf(value) {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new Malformed("a whole JSON number");
  return value;
}

/**
 * @param {unknown} value
 * @returns {Bytes[]}
 */
export function hashesOf(value) {
  if (!Array.isArray(value) || value.length > 64) throw new Malformed("at most 64 hashes");
  return value.map((hash) => fromBase64urlOf(textOf(hash), 32));
}
