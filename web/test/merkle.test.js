import assert from "node:assert/strict";
import { test } from "node:test";

import { equal, hex } from "../site/js/bytes.js";
import { emptyRoot, leafHash, nodeHash } from "../site/js/hash.js";
import { inclusionProof, isConsistent, isIncluded, rootOf } from "../site/js/merkle.js";

/** @typedef {import("../site/js/bytes.js").Bytes} Bytes */

/** Sizes that are compared with the recursion below. */
const MOST = 100;

/** @type {Map<string, Bytes | Promise<Bytes>>} */
const remembered = new Map();

/** @param {number} length */
const split = (length) => 2 ** Math.floor(Math.log2(length - 1));

/**
 * RFC 6962 §2.1, word for word.
 * @param {Bytes[]} leaves hashes
 * @returns {Promise<Bytes>}
 */
async function treeHash(leaves) {
  const [first] = leaves;
  if (first === undefined) return emptyRoot();
  if (leaves.length === 1) return first;
  // All lists here are runs of one list, so first leaf and length say which; remembered only to save time.
  const run = `${hex(first)} ${leaves.length}`;
  const k = split(leaves.length);
  const root = remembered.get(run) ?? nodeHash(await treeHash(leaves.slice(0, k)), await treeHash(leaves.slice(k)));
  remembered.set(run, root);
  return root;
}

/**
 * RFC 6962 §2.1.1, word for word.
 * @param {number} m
 * @param {Bytes[]} leaves
 * @returns {Promise<Bytes[]>}
 */
async function path(m, leaves) {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k
    ? [...(await path(m, left)), await treeHash(right)]
    : [...(await path(m - k, right)), await treeHash(left)];
}

/**
 * RFC 6962 §2.1.2, word for word.
 * @param {number} m
 * @param {Bytes[]} leaves
 * @param {boolean} isWhole
 * @returns {Promise<Bytes[]>}
 */
async function subproof(m, leaves, isWhole) {
  if (m === leaves.length) return isWhole ? [] : [await treeHash(leaves)];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  if (m <= k) return [...(await subproof(m, left, isWhole)), await treeHash(right)];
  return [...(await subproof(m - k, right, false)), await treeHash(left)];
}

const leaves = await Promise.all(Array.from({ length: MOST }, (_, at) => leafHash(Uint8Array.of(at))));
const roots = await Promise.all(Array.from({ length: MOST + 1 }, (_, size) => treeHash(leaves.slice(0, size))));

/** @param {number} size */
const rootAt = (size) => /** @type {Bytes} */ (roots[size]);
/** @param {number} index */
const leafAt = (index) => /** @type {Bytes} */ (leaves[index]);

test("roots are those of the recursion", async () => {
  assert.equal(hex(rootAt(0)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (let size = 0; size <= MOST; size += 1)
    assert.ok(equal(await rootOf(leaves.slice(0, size)), rootAt(size)), `${size}`);
});

test("inclusion proofs of all small trees hold, and altered ones do not", async () => {
  for (let size = 1; size < MOST; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const proof = await path(index, leaves.slice(0, size));
      const claim = { leaf: leafAt(index), index, size, proof, root: rootAt(size) };
      assert.ok(await isIncluded(claim), `${index} of ${size}`);
      if (size > 1) assert.ok(!(await isIncluded({ ...claim, leaf: leafAt(index ^ 1) })));
      assert.ok(!(await isIncluded({ ...claim, proof: [...proof, leafAt(index)] })));
      assert.ok(!(await isIncluded({ ...claim, root: rootAt(size - 1) })));
      if (proof.length > 0) assert.ok(!(await isIncluded({ ...claim, proof: proof.slice(1) })));
      if (proof.length > 0) assert.ok(!(await isIncluded({ ...claim, proof: proof.slice(0, -1) })));
    }
  }
});

test("indices and sizes that are none are refused", async () => {
  const claim = { leaf: leafAt(0), index: 0, size: 1, proof: [], root: rootAt(1) };
  assert.ok(await isIncluded(claim));
  for (const index of [-1, 1, 0.5, NaN, 2 ** 53]) assert.ok(!(await isIncluded({ ...claim, index })));
  for (const size of [0, -1, NaN, 2 ** 53]) assert.ok(!(await isIncluded({ ...claim, size })));
});

test("inclusion proofs made from subtrees are those of the recursion", async () => {
  for (let size = 1; size < MOST; size += 1) {
    const node = (/** @type {number} */ level, /** @type {number} */ index) =>
      treeHash(leaves.slice(0, size).slice(index * 2 ** level, (index + 1) * 2 ** level));
    for (const index of [0, 1, size >> 1, size - 2, size - 1].filter((index) => index >= 0 && index < size)) {
      const made = await inclusionProof(node, index, size);
      assert.deepEqual(made.map(hex), (await path(index, leaves.slice(0, size))).map(hex), `${index} of ${size}`);
    }
  }
});

test("consistency proofs of all small trees hold, and altered ones do not", async () => {
  for (let size = 1; size < MOST; size += 1) {
    const newer = { size, root: rootAt(size) };
    for (let old = 1; old <= size; old += 1) {
      const older = { size: old, root: rootAt(old) };
      const proof = await subproof(old, leaves.slice(0, size), true);
      assert.ok(await isConsistent(older, newer, proof), `${old} to ${size}`);
      assert.ok(!(await isConsistent({ size: old, root: rootAt(old - 1) }, newer, proof)));
      assert.ok(!(await isConsistent(older, { size, root: rootAt(size - 1) }, proof)));
      assert.ok(!(await isConsistent(older, newer, [...proof, rootAt(1)])));
      if (proof.length > 0) assert.ok(!(await isConsistent(older, newer, proof.slice(1))));
      assert.ok(!(await isConsistent({ size: size + 1, root: rootAt(old) }, newer, proof)));
    }
    assert.ok(await isConsistent({ size: 0, root: rootAt(0) }, newer, []));
    assert.ok(!(await isConsistent({ size: 0, root: rootAt(0) }, newer, [rootAt(1)])));
  }
});
