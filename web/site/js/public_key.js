// Public keys of new passkeys: from the SubjectPublicKeyInfo that the browser gives to the form that the registry keeps.

import { fromBase64url } from "./base64.js";
import { Malformed, concat } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./cbor.js").Value} Value */

// COSE algorithm identifiers that custodians verify.
const ES256 = -7;
const EDDSA = -8;
const RS256 = -257;

/**
 * In the order in which authenticators are asked: every one has P-256; Ed25519 is next; RSA is what old platform keys have.
 */
export const ALGORITHMS = [ES256, EDDSA, RS256];

/**
 * `[0, [x ‖ y]]` for P-256, `[1, [x]]` for Ed25519, `[2, [n, e]]` for RSA.
 * @param {number} algorithm
 * @param {Bytes} spki
 * @returns {Promise<Value>}
 */
export async function readPublicKey(algorithm, spki) {
  if (algorithm === ES256) {
    const jwk = await exported(spki, { name: "ECDSA", namedCurve: "P-256" });
    return [0, [concat(part(jwk.x, 32), part(jwk.y, 32))]];
  }
  if (algorithm === EDDSA) {
    const jwk = await exported(spki, { name: "Ed25519" });
    return [1, [part(jwk.x, 32)]];
  }
  if (algorithm === RS256) {
    const jwk = await exported(spki, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" });
    return [2, [part(jwk.n), part(jwk.e)]];
  }
  throw new Malformed("a key of an algorithm that was asked for");
}

/**
 * WebCrypto reads the structure strictly, and refuses points that are not on the curve.
 * @param {Bytes} spki
 * @param {RsaHashedImportParams | EcKeyImportParams | Algorithm} algorithm
 */
async function exported(spki, algorithm) {
  const key = await crypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]);
  return crypto.subtle.exportKey("jwk", key);
}

/**
 * @param {string | undefined} text
 * @param {number} [length]
 */
function part(text, length) {
  const bytes = fromBase64url(text ?? "");
  if (bytes.length === 0 || (length !== undefined && bytes.length !== length)) throw new Malformed("a public key");
  return bytes;
}
