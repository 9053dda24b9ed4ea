// Grants: the one thing that a tap or a session key agrees to. Whatever is not in it does not reach the token.

import { toBase64url } from "./base64.js";
import { concat, random } from "./bytes.js";
import { encode, present } from "./cbor.js";
import * as domain from "./domain.js";
import { sha256 } from "./hash.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/**
 * What an application asks for, as far as a grant holds it.
 * @typedef {object} Asked
 * @property {string} clientId
 * @property {string} redirectUri
 * @property {string[]} scope sorted bytewise, unique, not empty
 * @property {string} [resource]
 * @property {string} [nonce]
 * @property {string} [codeChallenge]
 * @property {string} [dpopJkt]
 * @property {string[]} acr values asked for that exist here
 * @property {{ id_token: string[], userinfo: string[] }} claims sorted, unique
 * @property {number} [maxAge] seconds
 * @property {string} [sub] the only subject that may answer
 */

/**
 * The canonical bytes of a grant.
 * @param {Asked} asked
 * @param {{ issuer: string, codeHash: Bytes, session: Bytes, iat: number, anchor: Anchor }} made by the page
 */
export function writeGrant(asked, { issuer, codeHash, session, iat, anchor }) {
  return encode(
    present([
      ["v", 1],
      ["iss", issuer],
      ["client_id", asked.clientId],
      ["redirect_uri", asked.redirectUri],
      ["scope", asked.scope.join(" ")],
      ["resource", asked.resource],
      ["nonce", asked.nonce],
      ["code_challenge", asked.codeChallenge],
      ["code_hash", codeHash],
      ["dpop_jkt", asked.dpopJkt],
      ["acr", asked.acr.length > 0 ? asked.acr.join(" ") : undefined],
      ["claims", writeClaims(asked.claims)],
      ["max_age", asked.maxAge],
      ["sub", asked.sub],
      ["session", session],
      ["iat", iat],
      [
        "anchor",
        present([
          ["root", anchor.root],
          ["sig", anchor.signature],
          ["size", anchor.size],
        ]),
      ],
    ]),
  );
}

/** @param {{ id_token: string[], userinfo: string[] }} claims */
function writeClaims({ id_token, userinfo }) {
  if (id_token.length === 0 && userinfo.length === 0) return undefined;
  return present([
    ["id_token", id_token.length > 0 ? id_token : undefined],
    ["userinfo", userinfo.length > 0 ? userinfo : undefined],
  ]);
}

/**
 * What a passkey signs as its challenge.
 * @param {Uint8Array} grant
 */
export function grantChallenge(grant) {
  return sha256(domain.GRANT, grant);
}

/**
 * What a session key signs.
 * @param {Uint8Array} grant
 */
export function sessionMessage(grant) {
  return concat(domain.SESSION_GRANT, grant);
}

/** A fresh authorization code, and its digest for the grant. */
export async function makeCode() {
  const code = random(32);
  return { code: toBase64url(code), codeHash: await sha256(domain.CODE, code) };
}

/**
 * `sid` of the tokens of a session key.
 * @param {Uint8Array} session
 */
export async function sessionId(session) {
  return toBase64url((await sha256(domain.SESSION, session)).slice(0, 16));
}
