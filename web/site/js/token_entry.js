// A token's entry as the person it speaks for sees it: the public leaf, and what it commits to.

import { Malformed, fromUtf8 } from "./bytes.js";
import { decode } from "./cbor.js";
import { members } from "./json.js";
import { opens } from "./leaf.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./scan.js").Found} Found */
/** @typedef {import("./subject.js").Subject} Subject */
/**
 * @typedef {object} TokenEntry
 * @property {Found} found
 * @property {Bytes} salt
 * @property {Bytes} body
 * @property {"access" | "id"} kind
 * @property {string} clientId
 * @property {string} session what the tokens of one sign-in have in common
 * @property {string | undefined} scope
 * @property {string | undefined} audience of an access token that is for somebody else than the issuer
 * @property {number} expiresMs
 */

/** Member of a token's body that holds the claims, byte for byte as in the token. */
const CLAIMS = 0;

/**
 * Opens what the gateway handed over for a leaf; undefined if it is not what the leaf commits to.
 * @param {Subject} subject
 * @param {Found} found
 * @param {Bytes} sealed
 * @returns {Promise<TokenEntry | undefined>}
 */
export async function openToken(subject, found, sealed) {
  const opening = await subject.open(found.index, found.hash, sealed);
  if (opening === undefined || !(await opens(found.leaf, opening.salt, opening.body))) return undefined;
  try {
    return { found, ...opening, ...readClaims(opening.body, subject.log, found.index) };
  } catch {
    return undefined;
  }
}

/**
 * @param {Bytes} body
 * @param {number} log
 * @param {number} index
 */
function readClaims(body, log, index) {
  const map = decode(body);
  const bytes = map instanceof Map ? map.get(CLAIMS) : undefined;
  if (!(bytes instanceof Uint8Array)) throw new Malformed("a token's body");
  const { iss, aud, client_id: client, sid, scope, exp, tlx } = members(JSON.parse(fromUtf8(bytes)));
  // A token says where it stands; a body that was logged for another place or issuer is not this token's.
  if (iss !== location.origin || tlx !== `${log}/${index}` || typeof exp !== "number")
    throw new Malformed("a token's claims");
  // Access tokens name their client; the audience of an ID token is its client.
  const kind = /** @type {"access" | "id"} */ (typeof client === "string" ? "access" : "id");
  const clientId = kind === "access" ? client : aud;
  if (typeof clientId !== "string") throw new Malformed("a token of one client");
  return {
    kind,
    clientId,
    session: typeof sid === "string" ? sid : `${log}/${index}`,
    scope: typeof scope === "string" ? scope : undefined,
    audience: kind === "access" && typeof aud === "string" && aud !== iss ? aud : undefined,
    expiresMs: exp * 1000,
  };
}
