// Proofs of registry records: the record stands in the registry root of the last leaf of an anchor. Nothing about a client or an
// invitation is shown or used before this holds.

import { fromBase64url, fromBase64urlOf } from "./base64.js";
import { Distrust, checkAnchor, orDistrust } from "./anchor.js";
import { Malformed, concat, hex, utf8 } from "./bytes.js";
import * as domain from "./domain.js";
import { leafHash } from "./hash.js";
import { hashesOf, members, numberOf, textOf } from "./json.js";
import { isIncluded } from "./merkle.js";
import { readClient, readInvitation } from "./record.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./policy.js").Policy} Policy */

/** @param {string} clientId */
export function clientKey(clientId) {
  return `client/${clientId}`;
}

/** @param {Uint8Array} publicKey */
export function invitationKey(publicKey) {
  return `invitation/${hex(publicKey)}`;
}

/**
 * Leaf of the registry tree.
 * @param {Uint8Array} salt
 * @param {string} key
 * @param {Uint8Array} record
 */
export function recordLeaf(salt, key, record) {
  return leafHash(concat(domain.RECORD, salt, utf8(key), Uint8Array.of(0), record));
}

/**
 * Checks the answer of `GET /registry/<key>` and gives the record's bytes.
 * @param {Policy} policy
 * @param {string} issuer
 * @param {string} key
 * @param {unknown} answer
 * @returns {Promise<{ anchor: Anchor, record: Bytes }>}
 */
async function checkRecord(policy, issuer, key, answer) {
  const anchor = await checkAnchor(policy, issuer, answer);
  const record = await orDistrust("record_not_in_registry", async () => {
    const said = members(answer);
    const bytes = fromBase64url(textOf(said.record));
    const claim = {
      leaf: await recordLeaf(fromBase64urlOf(textOf(said.salt), 16), key, bytes),
      index: numberOf(said.record_index),
      size: numberOf(said.record_count),
      proof: hashesOf(said.record_proof),
      root: anchor.registryRoot,
    };
    if (!(await isIncluded(claim))) throw new Malformed("a record of this registry");
    return bytes;
  });
  return { anchor, record };
}

/**
 * A client's record, proved, and of the client that was asked for.
 * @param {Policy} policy
 * @param {string} issuer
 * @param {string} clientId
 * @param {unknown} answer
 */
export async function checkClient(policy, issuer, clientId, answer) {
  const { anchor, record } = await checkRecord(policy, issuer, clientKey(clientId), answer);
  const client = await orDistrust("record_malformed", () => readClient(record));
  if (client.clientId !== clientId) throw new Distrust("record_of_another");
  return { anchor, client };
}

/**
 * An invitation's record, proved, and of the key that was asked for.
 * @param {Policy} policy
 * @param {string} issuer
 * @param {Uint8Array} publicKey
 * @param {unknown} answer
 */
export async function checkInvitation(policy, issuer, publicKey, answer) {
  const { anchor, record } = await checkRecord(policy, issuer, invitationKey(publicKey), answer);
  const invitation = await orDistrust("record_malformed", () => readInvitation(record));
  if (hex(invitation.publicKey) !== hex(publicKey)) throw new Distrust("record_of_another");
  return { anchor, invitation };
}
