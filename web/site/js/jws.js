// Compact JWS (RFC 7515 §3.1) under a JSON Web Key Set: ES256 and EdDSA, the key by its `kid`, the algorithm by the key and never by the
// token (RFC 8725 §3.1). What the header says about keys or extensions beyond that is refused.

import { fromBase64url, fromBase64urlOf } from "./base64.js";
import { Malformed, concat, fromUtf8, utf8 } from "./bytes.js";
import { verify as verifyEd25519 } from "./ed25519.js";
import { members } from "./json.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {Record<string, unknown>} Json */

/** Longest token that is read, characters. */
const MAX_JWS = 16 * 1024;

/**
 * The claims of a token, if one key of the set has signed it and it is of the type asked for.
 * @param {string} token
 * @param {unknown} jwks
 * @param {string} type the header's `typ`
 * @returns {Promise<Json>}
 */
export async function verifiedClaims(token, jwks, type) {
  if (token.length > MAX_JWS) throw new Malformed("a token of at most 16 KiB");
  const parts = token.split(".");
  const [head = "", payload = "", signed = ""] = parts;
  if (parts.length !== 3) throw new Malformed("a compact JWS");
  const header = readObject(head);
  if (header.typ !== type || "crit" in header) throw new Malformed(`a JWS of type ${type}`);
  const key = keyOf(jwks, header);
  if (!(await isSigned(key, utf8(`${head}.${payload}`), fromBase64url(signed)))) throw new Malformed("a signed JWS");
  return readObject(payload);
}

/** @param {string} part */
function readObject(part) {
  try {
    return members(JSON.parse(fromUtf8(fromBase64url(part))));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Malformed("a JWS of JSON objects");
    throw error;
  }
}

/**
 * @param {unknown} jwks
 * @param {Json} header
 */
function keyOf(jwks, header) {
  const { keys } = members(jwks);
  if (!Array.isArray(keys)) throw new Malformed("a key set");
  const matching = keys.map(members).filter((key) => key.kid === header.kid && key.alg === header.alg);
  const key = matching[0];
  if (typeof header.kid !== "string" || key === undefined || matching.length > 1)
    throw new Malformed("a JWS by a known key");
  return key;
}

/**
 * @param {Json} key
 * @param {Bytes} input
 * @param {Bytes} signature
 */
async function isSigned(key, input, signature) {
  if (key.alg === "EdDSA" && key.kty === "OKP" && key.crv === "Ed25519") {
    return verifyEd25519(fromBase64urlOf(String(key.x), 32), input, signature);
  }
  if (key.alg === "ES256" && key.kty === "EC" && key.crv === "P-256") {
    return verifyP256(fromBase64urlOf(String(key.x), 32), fromBase64urlOf(String(key.y), 32), input, signature);
  }
  throw new Malformed("a key of ES256 or EdDSA");
}

/**
 * ES256 (RFC 7518 §3.4): 64 bytes r ‖ s, with no other spelling. Every browser has P-256, so an import that fails is a bad key.
 * @param {Bytes} x
 * @param {Bytes} y
 * @param {Bytes} input
 * @param {Bytes} signature
 */
async function verifyP256(x, y, input, signature) {
  if (signature.length !== 64) return false;
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const point = concat(Uint8Array.of(4), x, y);
  const key = await crypto.subtle.importKey("raw", point, curve, false, ["verify"]).catch(() => {
    throw new Malformed("a point of P-256");
  });
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, input);
}

/**
 * Claims of an ID token of this issuer that a client hands back (`id_token_hint`): signed under the issuer's keys; its age does not
 * matter (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2).
 * @param {string} token
 * @param {unknown} jwks
 * @param {string} issuer
 * @returns {Promise<{ sub: string, aud: string, sid: string | undefined }>}
 */
export async function readHint(token, jwks, issuer) {
  const { iss, sub, aud, sid } = await verifiedClaims(token, jwks, "JWT");
  if (iss !== issuer || typeof sub !== "string" || typeof aud !== "string")
    throw new Malformed("an ID token of this issuer");
  return { sub, aud, sid: typeof sid === "string" ? sid : undefined };
}
