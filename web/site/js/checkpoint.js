// Checkpoints (C2SP tlog-checkpoint v1.0.0): origin, size, root; no extension lines, since no signature of ours covers any.

import { fromBase64 } from "./base64.js";
import { Malformed, decimal } from "./bytes.js";
import { isName } from "./note.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ origin: string, size: number, root: Bytes }} Checkpoint */

/**
 * Reads the text of a checkpoint's note.
 * @param {string} text
 * @returns {Checkpoint}
 */
export function readCheckpoint(text) {
  const lines = text.split("\n");
  const [origin = "", size = "", root = "", end] = lines;
  if (lines.length !== 4 || end !== "") throw new Malformed("a checkpoint of three lines");
  if (!isName(origin)) throw new Malformed("a checkpoint with an origin");
  const hash = fromBase64(root);
  if (hash.length !== 32) throw new Malformed("a checkpoint with a root of 32 bytes");
  return { origin, size: decimal(size), root: hash };
}

/**
 * Number of the log that an issuer's origin names: `<host[:port]>/log/<number>`.
 * @param {string} origin
 * @param {string} issuer
 */
export function logNumber(origin, issuer) {
  const prefix = `${new URL(issuer).host}/log/`;
  if (!origin.startsWith(prefix)) throw new Malformed("the origin of a log of this issuer");
  return decimal(origin.slice(prefix.length));
}
