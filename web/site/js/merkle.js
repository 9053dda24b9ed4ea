// Merkle trees of RFC 6962: roots, and the checks of inclusion and consistency proofs (RFC 9162 §2.1.3.2, §2.1.4.2).

import { equal } from "./bytes.js";
import { emptyRoot, nodeHash } from "./hash.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/**
 * Root over hashes, each of a leaf or of a complete subtree of one height.
 * @param {readonly Bytes[]} hashes
 * @returns {Promise<Bytes>}
 */
export async function rootOf(hashes) {
  let row = hashes;
  while (row.length > 1) row = await Promise.all(pairs(row));
  return row[0] ?? emptyRoot();
}

/**
 * The next row: a hash without a neighbour moves up unchanged, which is where RFC 6962 splits at the largest power of two.
 * @param {readonly Bytes[]} row
 */
function pairs(row) {
  /** @type {(Promise<Bytes> | Bytes)[]} */
  const above = [];
  for (let at = 0; at < row.length; at += 2) {
    const left = /** @type {Bytes} */ (row[at]);
    const right = row[at + 1];
    above.push(right === undefined ? left : nodeHash(left, right));
  }
  return above;
}

/**
 * Whether the proof, leaf's sibling first, leads from a leaf hash at `index` to the root of a tree of `size`.
 * @param {{ leaf: Uint8Array, index: number, size: number, proof: readonly Uint8Array[], root: Uint8Array }} claim
 */
export async function isIncluded({ leaf, index, size, proof, root }) {
  if (!isIndex(index) || !isIndex(size) || index >= size) return false;
  let position = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      hash = await nodeHash(sibling, hash);
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equal(hash, root);
}

/**
 * Whether the tree of the older size is a prefix of the newer one.
 * @param {{ size: number, root: Uint8Array }} older
 * @param {{ size: number, root: Uint8Array }} newer
 * @param {readonly Bytes[]} proof
 */
export async function isConsistent(older, newer, proof) {
  if (!isIndex(older.size) || !isIndex(newer.size) || older.size > newer.size) return false;
  if (older.size === 0) return proof.length === 0 && equal(older.root, await emptyRoot());
  if (older.size === newer.size) return proof.length === 0 && equal(older.root, newer.root);
  let position = older.size - 1;
  let last = newer.size - 1;
  while (position % 2 === 1) [position, last] = [half(position), half(last)];
  // A tree of a power of two is itself the first node of the proof, and so it is not repeated there.
  const hashes = position === 0 ? [older.root, ...proof] : [...proof];
  const seed = hashes.shift();
  if (seed === undefined) return false;
  let [fromOlder, fromNewer] = [seed, seed];
  for (const sibling of hashes) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      fromOlder = await nodeHash(sibling, fromOlder);
      fromNewer = await nodeHash(sibling, fromNewer);
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      fromNewer = await nodeHash(fromNewer, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equal(fromOlder, older.root) && equal(fromNewer, newer.root);
}

/**
 * Inclusion proof of leaf `index` in a tree of `size`, made from complete subtrees: `node(level, index)` covers the leaves
 * `index·2^level .. (index+1)·2^level`.
 * @param {(level: number, index: number) => Promise<Bytes>} node
 * @param {number} index
 * @param {number} size
 */
export async function inclusionProof(node, index, size) {
  /** @type {Bytes[]} */
  const path = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push(await rangeRoot(node, middle, end));
      end = middle;
    } else {
      path.push(await rangeRoot(node, start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

/**
 * @param {(level: number, index: number) => Promise<Bytes>} node
 * @param {number} start
 * @param {number} end
 * @returns {Promise<Bytes>}
 */
async function rangeRoot(node, start, end) {
  const length = end - start;
  const below = largestPowerBelow(length);
  // A whole power of two is one subtree; logarithms of large numbers are not exact enough to tell.
  if (length === 1 || below * 2 === length) return node(Math.round(Math.log2(length)), start / length);
  const middle = start + below;
  return nodeHash(await rangeRoot(node, start, middle), await rangeRoot(node, middle, end));
}

/**
 * The largest power of two smaller than a length of two or more.
 * @param {number} length
 */
function largestPowerBelow(length) {
  let power = 1;
  while (power * 2 < length) power *= 2;
  return power;
}

/** @param {number} value */
function half(value) {
  return Math.floor(value / 2);
}

/** @param {number} value */
function isIndex(value) {
  return Number.isSafeInteger(value) && value >= 0;
}
