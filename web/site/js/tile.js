// Tiles (C2SP tlog-tiles v0.1.0): 256 hashes or entries to a file, partial ones at the right edge.

import { Malformed } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/** Hashes or entries in a full tile. */
export const WIDTH = 256;

/**
 * Path of a tile below the log's prefix, such as `tile/0/x001/234.p/17` or `tile/entries/000`.
 * @param {number | "entries"} level
 * @param {number} index
 * @param {number} width 1 to 256; less for a partial tile
 */
export function tilePath(level, index, width) {
  const groups = [String(index % 1000).padStart(3, "0")];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  }
  const partial = width < WIDTH ? `.p/${width}` : "";
  return `tile/${level}/${groups.join("/")}${partial}`;
}

/**
 * How many hashes the tile at this place has in a tree of `size` leaves; zero beyond it.
 * @param {number} level
 * @param {number} index
 * @param {number} size
 */
export function widthOf(level, index, size) {
  const atLevel = Math.floor(size / WIDTH ** level);
  return Math.max(0, Math.min(WIDTH, atLevel - index * WIDTH));
}

/**
 * The first `width` hashes of a tile that is at least as wide.
 * @param {Uint8Array} bytes
 * @param {number} width
 * @returns {Bytes[]}
 */
export function readHashes(bytes, width) {
  if (bytes.length % 32 !== 0 || bytes.length > WIDTH * 32 || bytes.length < width * 32) {
    throw new Malformed("a tile of 32 bytes for each hash");
  }
  return Array.from({ length: width }, (_, at) => bytes.slice(at * 32, at * 32 + 32));
}

/**
 * The first `width` entries of a tile of entries, `(u16be length ‖ entry)*`, that is at least as wide.
 * @param {Uint8Array} bytes
 * @param {number} width
 * @returns {Bytes[]}
 */
export function readEntries(bytes, width) {
  /** @type {Bytes[]} */
  const entries = [];
  let at = 0;
  while (at < bytes.length) {
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    const end = at + 2 + length;
    if (at + 2 > bytes.length || end > bytes.length) throw new Malformed("a tile of entries that is not cut short");
    entries.push(bytes.slice(at + 2, end));
    at = end;
  }
  if (entries.length < width || entries.length > WIDTH) throw new Malformed(`a tile of ${width} entries`);
  return entries.slice(0, width);
}
