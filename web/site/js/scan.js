// Looking through the whole public log for one subject's leaves, newest first. Every leaf that is looked at is proved to be in the
// tree of the checkpoint, so what is found is all that there is between the newest leaf and where the search stands.

import { readLeaf } from "./leaf.js";
import { WIDTH } from "./tile.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./leaf.js").Leaf} Leaf */
/** @typedef {{ index: number, leaf: Leaf, bytes: Bytes, hash: Bytes }} Found */

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
   * Goes further back by up to this many tiles.
   * @param {number} tiles
   * @param {(found: Found[]) => void | Promise<void>} onProgress called after each step with what it found, newest first
   */
  async further(tiles, onProgress) {
    for (let left = tiles; left > 0 && !this.isComplete; left -= AT_ONCE) {
      const newest = Math.ceil(this.from / WIDTH) - 1;
      const count = Math.min(AT_ONCE, left, newest + 1);
      const indices = Array.from({ length: count }, (_, at) => newest - at);
      const found = await Promise.all(indices.map((index) => this.tile(index)));
      this.from = (newest - count + 1) * WIDTH;
      await onProgress(found.flat());
    }
  }

  /**
   * @param {number} index
   * @returns {Promise<Found[]>}
   */
  async tile(index) {
    const entries = await this.tree.entries(index);
    const looked = await Promise.all(
      entries.map(async ({ bytes, hash }, at) => {
        const found = { index: index * WIDTH + at, leaf: readLeaf(bytes), bytes, hash };
        this.backToMs = Math.min(this.backToMs ?? Infinity, found.leaf.timeMs);
        this.upToMs = Math.max(this.upToMs ?? 0, found.leaf.timeMs);
        return (await this.subject.owns(found.index, found.leaf.subjectTag)) ? found : undefined;
      }),
    );
    return looked.filter((found) => found !== undefined).reverse();
  }
}
