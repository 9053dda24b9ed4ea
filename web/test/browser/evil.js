// What a taken gateway could say about a client, and the words with which the page stops.

import { generateKeyPairSync } from "node:crypto";

import { decode, encode } from "../../site/js/cbor.js";
import { Tenant, b64url, fromB64url } from "./tenant.js";

/** @typedef {import("./gateway.js").Lies} Lies */

/**
 * @param {import("./browser.js").World} world
 * @returns {Promise<[string, Lies, RegExp, string?][]>} a name, what it says, what the page says, and about which client
 */
export async function liesAboutClient({ tenant, app }) {
  const flipped = (/** @type {string} */ text) => (text.startsWith("A") ? "B" : "A") + text.slice(1);
  /** @param {number} member @param {any} value */
  const altered = (member, value) => (/** @type {any} */ answer) => {
    const record = /** @type {any} */ (decode(fromB64url(answer.record)));
    record[1][0].set(member, value);
    return { ...answer, record: b64url(encode(record)) };
  };
  // A gateway with a log key of its own can prove anything under it.
  const shadow = new Tenant();
  shadow.issuer = tenant.issuer;
  shadow.putClient({ name: "Your bank", redirectUris: [`${app.origin}/cb`] });
  const keyless = new Tenant();
  Object.assign(keyless, { issuer: tenant.issuer, tree: tenant.tree, leaves: tenant.leaves, records: tenant.records });
  keyless.logKey = generateKeyPairSync("ed25519");
  const stranger = new Tenant();
  stranger.issuer = "http://localhost:1";
  stranger.logKey = tenant.logKey;
  stranger.putClient({ redirectUris: [`${app.origin}/cb`] });
  return [
    ["false name", { record: altered(1, "Your bank") }, /not what was decided/],
    ["false redirect URI", { record: altered(3, [`${app.origin}/cb`, "https://evil.test/"]) }, /not what was decided/],
    ["no longer suspended", { record: altered(14, false) }, /not what was decided/, "stopped"],
    ["other log key", { record: () => shadow.record("client/web") }, /signature is missing or does not verify/],
    [
      "checkpoint signed by nobody",
      { record: () => keyless.record("client/web") },
      /signature is missing or does not verify/,
    ],
    [
      "log of another issuer",
      { record: () => stranger.record("client/web") },
      /signature is missing or does not verify/,
    ],
    [
      "forged registry proof",
      { record: (answer) => ({ ...answer, record_proof: answer.record_proof.map(flipped) }) },
      /not what was decided/,
    ],
    [
      "registry proof of another place",
      { record: (answer) => ({ ...answer, record_index: answer.record_index ^ 1 }) },
      /not what was decided/,
    ],
    [
      "forged leaf proof",
      { record: (answer) => ({ ...answer, leaf_proof: answer.leaf_proof.map(flipped) }) },
      /not in the signed log/,
    ],
    [
      "leaf of its own",
      { record: (answer) => ({ ...answer, leaf: b64url(new Uint8Array(139)) }) },
      /not in the signed log/,
    ],
    ["record of another client", { record: () => tenant.record("client/loud") }, /not what was decided/],
    ["nothing readable", { record: () => [] }, /cannot be read/],
  ];
}
