// Self-contained proofs that an entry is logged (c2sp.org/tlog-proof@v1): index, inclusion proof and signed checkpoint in one file.

import { toBase64 } from "./base64.js";

const HEADER = "c2sp.org/tlog-proof@v1";

/**
 * The file (extension `.tlog-proof`). No signature covers the extra bytes: whoever reads them checks them by what the proof says.
 * @param {object} proof
 * @param {number} proof.index
 * @param {readonly Uint8Array[]} proof.path leaf's sibling first
 * @param {string} proof.note the checkpoint as published
 * @param {Uint8Array} [proof.extra]
 */
export function writeTlogProof({ index, path, note, extra }) {
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`extra ${toBase64(extra)}`]),
    `index ${index}`,
    ...path.map(toBase64),
  ];
  return `${lines.join("\n")}\n\n${note}`;
}
