// Base64 (RFC 4648 §4, with padding) for notes and proofs, base64url (§5, without) for everything in JSON and URLs.
// Each byte string has one text only: other alphabets, missing or superfluous padding and stray bits are refused.

import { Malformed } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * @param {string} text
 * @returns {Bytes}
 */
export function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) throw new Malformed("base64");
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  // Bits after the last whole byte must be zero; writing the bytes anew shows it.
  if (toBase64(bytes) !== text) throw new Malformed("base64");
  return bytes;
}

/** @param {Uint8Array} bytes */
export function toBase64url(bytes) {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * @param {string} text
 * @returns {Bytes}
 */
export function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new Malformed("base64url");
  const padding = "=".repeat((4 - (text.length % 4)) % 4);
  try {
    return fromBase64(text.replaceAll("-", "+").replaceAll("_", "/") + padding);
  } catch {
    throw new Malformed("base64url");
  }
}

/**
 * The bytes of a text of exactly this many bytes.
 * @param {string} text
 * @param {number} length
 * @returns {Bytes}
 */
export function fromBase64urlOf(text, length) {
  const bytes = fromBase64url(text);
  if (bytes.length !== length) throw new Malformed(`${length} bytes of base64url`);
  return bytes;
}
