// A token's own place in the log, from what is public alone: whoever holds a token can check that it stood there before it was signed.

import { Malformed, equal, utf8 } from "./bytes.js";
import { logNumber } from "./checkpoint.js";
import * as domain from "./domain.js";
import { sha256 } from "./hash.js";
import { verifiedClaims } from "./jws.js";
import { readLeaf } from "./leaf.js";
import { vouchedCheckpoint } from "./policy.js";
import { WIDTH } from "./tile.js";
import { Tree } from "./tree.js";

/** @typedef {import("./jws.js").Json} Json */
/** @typedef {{ claims: Json, index: number, size: number, timeMs: number, origin: string }} LoggedToken */

/**
 * The token's claims and place, if the issuer's key has signed it and the leaf at its place is this token's.
 * @param {string} token
 * @param {string} type the header's `typ`
 * @param {object} issuer
 * @param {string} issuer.issuer
 * @param {unknown} issuer.jwks
 * @param {import("./policy.js").Policy} issuer.policy
 * @param {import("./gateway.js").Gateway} issuer.gateway
 * @returns {Promise<LoggedToken>}
 */
export async function loggedToken(token, type, { issuer, jwks, policy, gateway }) {
  const claims = await verifiedClaims(token, jwks, type);
  if (claims.iss !== issuer) throw new Malformed("a token of this issuer");
  const place = /^([1-9][0-9]*)\/(0|[1-9][0-9]*)$/.exec(String(claims.tlx));
  if (place === null) throw new Malformed("a token that names its place in the log");
  const [log, index] = [Number(place[1]), Number(place[2])];
  const checkpoint = await vouchedCheckpoint(policy, await gateway.checkpoint(log));
  if (logNumber(checkpoint.origin, issuer) !== log) throw new Malformed("the log that the token names");
  if (!(index < checkpoint.size)) throw new Malformed("a checkpoint that covers the token");
  const tree = new Tree(checkpoint, (path) => gateway.published(log, path));
  const entries = await tree.entries(Math.floor(index / WIDTH));
  const entry = entries[index % WIDTH];
  if (entry === undefined) throw new Malformed("a leaf that is there");
  const leaf = readLeaf(entry.bytes);
  const expected = await sha256(domain.TOKEN, utf8(token.slice(0, token.lastIndexOf("."))));
  if (leaf.type !== "token" || !equal(leaf.tokenHash, expected)) throw new Malformed("the leaf of this token");
  return { claims, index, size: checkpoint.size, timeMs: leaf.timeMs, origin: checkpoint.origin };
}
