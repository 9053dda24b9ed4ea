// Anchors: what the gateway says, brought back to the log. An anchor is a checkpoint that the log key of this site's own policy has
// signed, with its last leaf, whose time is the anchor's time and whose registry root every record is proved against.

import { fromBase64url } from "./base64.js";
import { Malformed, equal } from "./bytes.js";
import { logNumber } from "./checkpoint.js";
import { leafHash } from "./hash.js";
import { hashesOf, members, textOf } from "./json.js";
import { LEAF_BYTES, readLeaf } from "./leaf.js";
import { isIncluded } from "./merkle.js";
import { vouchedCheckpoint } from "./policy.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./policy.js").Policy} Policy */
/**
 * @typedef {object} Anchor
 * @property {number} log number of the log
 * @property {number} size
 * @property {Bytes} root
 * @property {Bytes} signature the log key's, over the checkpoint's text
 * @property {number} timeMs time of the last leaf
 * @property {Bytes} registryRoot of the last leaf
 */
/** @typedef {"checkpoint_malformed" | "checkpoint_unsigned" | "leaf_not_in_log" | "went_back"} AnchorReason */
/** @typedef {"record_malformed" | "record_not_in_registry" | "record_of_another"} RecordReason */

/** The gateway said something that the log does not bear out. Whoever catches it stops: nothing may follow from what was said. */
export class Distrust extends Error {
  /**
   * @param {AnchorReason | RecordReason} reason
   * @param {unknown} [cause]
   */
  constructor(reason, cause) {
    super(`the gateway is not believed: ${reason}`, { cause });
    this.name = "Distrust";
    this.reason = reason;
  }
}

/**
 * Runs a check whose every failure means the same.
 * @template T
 * @param {AnchorReason | RecordReason} reason
 * @param {() => T | Promise<T>} check
 * @returns {Promise<T>}
 */
export async function orDistrust(reason, check) {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Distrust || error instanceof DOMException) throw error;
    throw new Distrust(reason, error);
  }
}

/**
 * Checks the answer of `GET /anchor`, or that part of `GET /registry/<key>`.
 * @param {Policy} policy
 * @param {string} issuer
 * @param {unknown} answer
 * @returns {Promise<Anchor>}
 */
export async function checkAnchor(policy, issuer, answer) {
  const { checkpoint, leaf, leaf_proof: proof } = await orDistrust("checkpoint_malformed", () => members(answer));
  const signed = await orDistrust("checkpoint_unsigned", () => vouchedCheckpoint(policy, textOf(checkpoint)));
  return orDistrust("leaf_not_in_log", async () => {
    const log = logNumber(signed.origin, issuer);
    const bytes = fromBase64url(textOf(leaf));
    if (bytes.length !== LEAF_BYTES) throw new Malformed("a leaf of 139 bytes");
    const { size, root, signature } = signed;
    const claim = { leaf: await leafHash(bytes), index: size - 1, size, proof: hashesOf(proof), root };
    if (!(await isIncluded(claim))) throw new Malformed("the last leaf of the checkpoint");
    const { timeMs, registryRoot } = readLeaf(bytes);
    return { log, size, root, signature, timeMs, registryRoot };
  });
}

/**
 * A page that has seen one anchor takes no older one, and no other history of the same size.
 * @param {Anchor | undefined} before
 * @param {Anchor} after
 */
export function checkForward(before, after) {
  if (before === undefined || after.log > before.log) return;
  const isSame = after.size === before.size && equal(after.root, before.root) && after.log === before.log;
  if (!isSame && (after.log < before.log || after.size <= before.size || after.timeMs < before.timeMs)) {
    throw new Distrust("went_back");
  }
}
