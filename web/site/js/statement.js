// Statements that a passkey signs about itself or about a token: enrolments and revocations.

import { concat } from "./bytes.js";
import { encode, present } from "./cbor.js";
import * as domain from "./domain.js";
import { sha256 } from "./hash.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./cbor.js").Value} Value */

/** Longest label of a passkey, bytes. */
export const MAX_LABEL_BYTES = 64;

/** @param {Anchor} anchor */
function writeAnchor({ size, root, signature }) {
  return new Map([
    [0, size],
    [1, root],
    [2, /** @type {Value} */ (signature)],
  ]);
}

/**
 * @param {object} enrolment
 * @param {string} enrolment.issuer
 * @param {{ invitation: Bytes } | { passkey: Bytes }} enrolment.by an invitation's public key, or the id of an older passkey
 * @param {Bytes} enrolment.credentialId
 * @param {Value} enrolment.publicKey as `public_key.js` writes it
 * @param {Bytes} enrolment.kSubject
 * @param {string} enrolment.label
 * @param {Anchor} enrolment.anchor
 */
export function writeEnrolment({ issuer, by, credentialId, publicKey, kSubject, label, anchor }) {
  return encode(
    present([
      [0, 1],
      [1, issuer],
      [2, "invitation" in by ? by.invitation : undefined],
      [3, "passkey" in by ? by.passkey : undefined],
      [4, credentialId],
      [5, publicKey],
      [6, kSubject],
      [7, label],
      [8, writeAnchor(anchor)],
    ]),
  );
}

/**
 * What an invitation's seed signs.
 * @param {Uint8Array} statement
 */
export function enrolmentMessage(statement) {
  return concat(domain.ENROL, statement);
}

/**
 * What passkeys sign as their challenge.
 * @param {Uint8Array} statement
 */
export function enrolmentChallenge(statement) {
  return sha256(domain.ENROL, statement);
}

/**
 * @param {object} revocation
 * @param {string} revocation.issuer
 * @param {number} revocation.index of the token's leaf
 * @param {Bytes} revocation.salt
 * @param {Bytes} revocation.body
 * @param {Anchor} revocation.anchor
 */
export function writeRevocation({ issuer, index, salt, body, anchor }) {
  return encode(
    new Map(
      /** @type {[number, Value][]} */ ([
        [0, 1],
        [1, issuer],
        [2, index],
        [3, salt],
        [4, body],
        [5, writeAnchor(anchor)],
      ]),
    ),
  );
}

/** @param {Uint8Array} statement */
export function revocationChallenge(statement) {
  return sha256(domain.REVOKE, statement);
}
