// The tree of one checkpoint, read from tiles that are believed only as far as they lead to the checkpoint's root.
//
// The partial tiles at the right edge of all levels together give the root; that authenticates them. A full tile is authentic if
// its own root stands at its place in the tile above it, which is authentic for the same reason. So every hash and every leaf
// that comes out of here is in the tree, and none that belongs there can be missing.

import { Malformed, equal } from "./bytes.js";
import { leafHash } from "./hash.js";
import { inclusionProof, rootOf } from "./merkle.js";
import { WIDTH, readEntries, readHashes, tilePath, widthOf } from "./tile.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {(path: string) => Promise<Bytes | undefined>} Fetch what stands at a path below the log; undefined if nothing does */

export class Tree {
  /**
   * @param {{ size: number, root: Uint8Array }} checkpoint verified by the caller
   * @param {Fetch} fetch
   */
  constructor(checkpoint, fetch) {
    this.size = checkpoint.size;
    this.root = checkpoint.root;
    this.fetch = fetch;
    /** @type {Map<string, Promise<Bytes[]>>} */
    this.tiles = new Map();
    /** @type {Promise<Bytes[][]> | undefined} */
    this.rightEdge = undefined;
  }

  /**
   * Leaves of one tile of entries, all of them proved to be in the tree.
   * @param {number} index the tile's
   * @returns {Promise<{ bytes: Bytes, hash: Bytes }[]>}
   */
  async entries(index) {
    const width = widthOf(0, index, this.size);
    const bytes = await this.read("entries", index, width);
    const leaves = readEntries(bytes, width);
    const hashes = await Promise.all(leaves.map(leafHash));
    const root = width === WIDTH ? await this.parentOf(0, index) : await rootOf(await this.hashes(0, index));
    if (!equal(await rootOf(hashes), root)) throw new Malformed("entries that stand in the log");
    return leaves.map((leaf, at) => ({ bytes: leaf, hash: /** @type {Bytes} */ (hashes[at]) }));
  }

  /**
   * Inclusion proof of a leaf, its sibling first.
   * @param {number} index
   */
  inclusion(index) {
    return inclusionProof((level, at) => this.node(level, at), index, this.size);
  }

  /**
   * Root of the complete subtree over the leaves `index·2^level .. (index+1)·2^level`.
   * @param {number} level
   * @param {number} index
   */
  async node(level, index) {
    const within = level % 8;
    const first = index * 2 ** within;
    const tile = await this.hashes((level - within) / 8, Math.floor(first / WIDTH));
    return rootOf(tile.slice(first % WIDTH, (first % WIDTH) + 2 ** within));
  }

  /**
   * Hashes of one tile, authenticated.
   * @param {number} level
   * @param {number} index
   * @returns {Promise<Bytes[]>}
   */
  hashes(level, index) {
    const place = `${level}/${index}`;
    let tile = this.tiles.get(place);
    if (tile === undefined) {
      tile = this.authenticate(level, index);
      // A tile that could not be had is asked for again.
      tile.catch(() => this.tiles.delete(place));
      this.tiles.set(place, tile);
    }
    return tile;
  }

  /**
   * @param {number} level
   * @param {number} index
   */
  async authenticate(level, index) {
    const width = widthOf(level, index, this.size);
    if (width === 0) throw new Malformed("a place in the tree");
    if (width < WIDTH) return (await this.edge())[level] ?? [];
    const hashes = readHashes(await this.read(level, index, width), width);
    if (!equal(await rootOf(hashes), await this.parentOf(level, index))) throw new Malformed("a tile of this tree");
    return hashes;
  }

  /**
   * The hash at which a full tile hangs in the level above.
   * @param {number} level
   * @param {number} index
   */
  async parentOf(level, index) {
    const above = await this.hashes(level + 1, Math.floor(index / WIDTH));
    return /** @type {Bytes} */ (above[index % WIDTH]);
  }

  /** The partial tiles of all levels, lowest first, which together must give the root. */
  edge() {
    this.rightEdge ??= this.readEdge().catch((error) => {
      this.rightEdge = undefined;
      throw error;
    });
    return this.rightEdge;
  }

  async readEdge() {
    /** @type {Bytes[][]} */
    const levels = [];
    for (let level = 0; Math.floor(this.size / WIDTH ** level) > 0; level += 1) {
      const index = Math.floor(this.size / WIDTH ** (level + 1));
      const width = widthOf(level, index, this.size);
      levels.push(width === 0 ? [] : readHashes(await this.read(level, index, width), width));
    }
    /** @type {Bytes | undefined} */
    let below;
    for (const hashes of levels) {
      const row = below === undefined ? hashes : [...hashes, below];
      if (row.length > 0) below = await rootOf(row);
    }
    if (!equal(below ?? (await rootOf([])), this.root)) throw new Malformed("tiles of this checkpoint");
    return levels;
  }

  /**
   * A tile, or the full one in its place: partial tiles may be gone once the full one exists.
   * @param {number | "entries"} level
   * @param {number} index
   * @param {number} width
   */
  async read(level, index, width) {
    const bytes =
      (await this.fetch(tilePath(level, index, width))) ??
      (width < WIDTH ? await this.fetch(tilePath(level, index, WIDTH)) : undefined);
    if (bytes === undefined) throw new Malformed("a log whose tiles are all there");
    return bytes;
  }
}
