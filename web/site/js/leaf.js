// The public leaf of the log, 139 bytes: no name in clear, no digest of the body but the commitment.

import { Malformed, equal, fromU64be } from "./bytes.js";
import * as domain from "./domain.js";
import { sha256 } from "./hash.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/**
 * @typedef {object} Leaf
 * @property {EntryType} type
 * @property {number} timeMs time of the whole batch
 * @property {Bytes} registryRoot root of the registry just before this entry
 * @property {Bytes} tokenHash zero for entries that are no token
 * @property {Bytes} commit
 * @property {string} evidence class of evidence, `A` to `F`; empty for entries that are no token
 * @property {Bytes} subjectTag
 * @property {Bytes} clientTag
 */

/** @typedef {(typeof TYPES)[number]} EntryType */

/** Entry types by code, from 1; others are refused. */
const TYPES = /** @type {const} */ ([
  "genesis",
  "keys",
  "decision",
  "enrolment",
  "token",
  "revocation",
  "bulletin",
  "tick",
  "rules",
  "epoch",
]);

/** Bytes of every leaf. */
export const LEAF_BYTES = 139;

/**
 * @param {Uint8Array} bytes
 * @returns {Leaf}
 */
export function readLeaf(bytes) {
  const type = TYPES[(bytes[1] ?? 0) - 1];
  const code = bytes[106] ?? 0;
  const evidence = code === 0 ? "" : String.fromCharCode(code);
  if (bytes.length !== LEAF_BYTES || bytes[0] !== 1 || type === undefined || !/^[A-F]?$/.test(evidence)) {
    throw new Malformed("a leaf of a known version and type");
  }
  return {
    type,
    timeMs: fromU64be(bytes.slice(2, 10)),
    registryRoot: bytes.slice(10, 42),
    tokenHash: bytes.slice(42, 74),
    commit: bytes.slice(74, 106),
    evidence,
    subjectTag: bytes.slice(107, 123),
    clientTag: bytes.slice(123, 139),
  };
}

/**
 * Whether salt and body open the leaf's commitment; they open to one body only.
 * @param {Leaf} leaf
 * @param {Uint8Array} salt 32 bytes
 * @param {Uint8Array} body
 */
export async function opens(leaf, salt, body) {
  return salt.length === 32 && equal(await sha256(domain.ENTRY, salt, body), leaf.commit);
}
