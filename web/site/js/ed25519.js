// Ed25519 (RFC 8032) over WebCrypto, with the strictness that the custodians' own check has: 32-byte keys, 64-byte signatures,
// no points of small order, so that nobody can make one signature fit several messages.

import { fromBase64url } from "./base64.js";
import { concat, hex } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/** PKCS #8 around a 32-byte seed (RFC 8410 §7); WebCrypto reads private keys in no rawer form. */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/** All encodings of points of small order, sign bit cleared: y = 0, 1, p − 1, p, p + 1 and the two of order eight. */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

/**
 * Whether 32 bytes encode a point of small order, which verifies signatures over anything.
 * @param {Uint8Array} point
 */
export function isSmallOrder(point) {
  const bytes = point.slice();
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  return SMALL_ORDER.has(hex(bytes));
}

/**
 * @param {Bytes} publicKey
 * @param {Bytes} message
 * @param {Bytes} signature
 */
export async function verify(publicKey, message, signature) {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (isSmallOrder(publicKey) || isSmallOrder(signature.subarray(0, 32))) return false;
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch (error) {
    // A browser without Ed25519 cannot check anything here; that is no bad signature, and people must be told.
    if (error instanceof DOMException && error.name === "NotSupportedError") throw error;
    return false;
  }
}

/**
 * The public key of a 32-byte seed, and a signer with it.
 * @param {Uint8Array} seed
 * @returns {Promise<{ publicKey: Bytes, sign: (message: Bytes) => Promise<Bytes> }>}
 */
export async function fromSeed(seed) {
  // Only an extractable key tells its public half; the seed is in the page's hands anyway.
  const key = await crypto.subtle.importKey("pkcs8", concat(PKCS8_PREFIX, seed), "Ed25519", true, ["sign"]);
  const jwk = await crypto.subtle.exportKey("jwk", key);
  return {
    publicKey: fromBase64url(jwk.x ?? ""),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, message)),
  };
}
