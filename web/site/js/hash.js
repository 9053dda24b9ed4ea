// SHA-256 and the hashes of the log (RFC 6962 §2.1), with a prefix that keeps leaves and nodes apart.

import { concat } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/**
 * SHA-256 over the concatenation of the parts. Callers put a domain string first.
 * @param {...Uint8Array} parts
 * @returns {Promise<Bytes>}
 */
export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

/**
 * Hash of a leaf: `H(0x00 ‖ data)`.
 * @param {Uint8Array} data
 */
export function leafHash(data) {
  return sha256(Uint8Array.of(0), data);
}

/**
 * Hash of an interior node: `H(0x01 ‖ left ‖ right)`.
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 */
export function nodeHash(left, right) {
  return sha256(Uint8Array.of(1), left, right);
}

/** Root of the empty tree: `H("")`. */
export function emptyRoot() {
  return sha256();
}
