// Looking through the whole public log for one subject's leaves, newest first. Every leaf that is looked at is proved to be in the
// tree of the checkpoint, so what is found is all that there is between the newest leaf and where the search stands.

import { readLeaf } from "./leaf.js";
import { WIDTH } from "./tile.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./leaf.js").Leaf} Leaf */
/** @typedef {{ index: number, leaf: Leaf, bytes: Bytes, hash: Bytes }} Found */
/** @typedef {{ found: Found[], timesMs: number[] }} Looked at one tile: what is the subject's, and the times of all leaves */

/** Tiles of entries that are fetched at once. */
const AT_ONCE = 4;

export class Scan {
  /**
   * @param {import("./tree.js").Tree} tree
   * @param {import("./subject.js").Subject} subject
   */
  constructor(tree, subject) {
    this.tree = tree;
    this.subject = subject;
    /** All leaves from here on have been looked at. */
    this.from = tree.size;
    /** Time of the oldest leaf that was looked at, milliseconds. @type {number | undefined} */
    this.backToMs = undefined;
    /** Time of the newest one. @type {number | undefined} */
    this.upToMs = undefined;
  }

  get isComplete() {
    return this.from === 0;
  }

  /**
   * Goes further back by up to this many tiles, in steps; each gives what it found, newest first. A step counts as done once the
   * caller asks for the next: what the caller could not deal with is found again.
   * @param {number} tiles
   * @returns {AsyncGenerator<Found[], void, void>}
   */
  async *further(tiles) {
    for (let left = tiles; left > 0 && !this.isComplete; left -= AT_ONCE) {
      const newest = Math.ceil(this.from / WIDTH) - 1;
      const count = Math.min(AT_ONCE, left, newest + 1);
      const indices = Array.from({ length: count }, (_, at) => newest - at);
      const looked = await Promise.all(indices.map((index) => this.tile(index)));
      yield looked.flatMap(({ found }) => found);
      this.from = (newest - count + 1) * WIDTH;
      const timesMs = looked.flatMap((tile) => tile.timesMs);
      this.backToMs = Math.min(this.backToMs ?? Infinity, ...timesMs);
      this.upToMs = Math.max(this.upToMs ?? 0, ...timesMs);
    }
  }

  /**
   * @param {number} index
   * @returns {Promise<Looked>}
   */
  async tile(index) {
    const entries = await this.tree.entries(index);
    const leaves = entries.map((entry, at) => ({ index: index * WIDTH + at, leaf: readLeaf(entry.bytes), ...entry }));
    const own = await Promise.all(leaves.map((one) => this.subject.owns(one.index, one.leaf.subjectTag)));
    return { found: leaves.filter((_, at) => own[at]).reverse(), timesMs: leaves.map(({ leaf }) => leaf.timeMs) };
  }
}
