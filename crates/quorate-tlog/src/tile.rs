//! Tiles (C2SP tlog-tiles): 256 hashes or entries to a file, partial ones for the rightmost, immutable once full.

use crate::{
    hash::{Hash, node_hash},
    proof::HashReader,
};
use std::cell::RefCell;
use std::fmt;

/// Hashes or entries in a full tile.
pub const WIDTH: u64 = 256;
/// Bytes of a full hash tile.
pub const FULL_TILE_BYTES: usize = 8192;
/// Largest entry in bytes: its length is written in two.
pub const MAX_ENTRY: usize = 65_535;

/// Levels of the tree to one level of tiles.
const HEIGHT: u32 = 8;
/// Levels of tiles that a tree of 64-bit size can have; the specification's 64 are never reached.
const LEVELS: u8 = 8;
/// Longest path of a tile: the highest index has six groups of digits.
const MAX_PATH: usize = 64;

/// Place of a tile: of hashes at a level, or of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Level of a hash tile: 0 holds leaf hashes, each higher one the roots of full tiles of the level below; at most 7. `None` for
    /// a tile of entries.
    pub level: Option<u8>,
    /// Position at its level.
    pub index: u64,
    /// Hashes or entries: 1 to 256; less than 256 for a partial tile.
    pub width: u16,
}

/// A path or the contents of a tile are malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed tile: {0}")]
pub struct BadTile(&'static str);

impl Tile {
    /// Place of a hash tile.
    pub const fn of_hashes(level: u8, index: u64, width: u16) -> Self {
        Self {
            level: Some(level),
            index,
            width,
        }
    }

    /// Place of a tile of entries.
    pub const fn of_entries(index: u64, width: u16) -> Self {
        Self {
            level: None,
            index,
            width,
        }
    }

    /// Path below the log's prefix, such as `tile/0/x001/234.p/17` or `tile/entries/000`.
    pub fn path(&self) -> String {
        let level = self
            .level
            .map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let mut groups = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        let partial = if u64::from(self.width) < WIDTH {
            format!(".p/{}", self.width)
        } else {
            String::new()
        };
        format!("tile/{level}/{groups}{partial}")
    }

    /// Reads exactly what [`Tile::path`] writes, for a tile that some tree of 64-bit size has.
    pub fn parse_path(path: &str) -> Result<Self, BadTile> {
        // Each tile has one path only: the one that is written anew.
        match split_path(path).filter(|tile| tile.is_possible() && tile.path() == path) {
            Some(tile) => Ok(tile),
            None => Err(BadTile("not a tile path")),
        }
    }

    /// The full tile in the same place.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// Whether it is full.
    pub const fn is_full(self) -> bool {
        self.width == 256
    }

    /// Index of its first hash at its level, or of its first entry.
    pub const fn first_entry(self) -> u64 {
        self.index.saturating_mul(WIDTH)
    }

    /// Its leaves end at 2^64 at the latest.
    fn is_possible(self) -> bool {
        let levels_above = 7u32.checked_sub(u32::from(self.level.unwrap_or(0)));
        let tiles = levels_above.map(|levels| 1u64 << levels.saturating_mul(HEIGHT));
        tiles.is_some_and(|tiles| self.index < tiles) && is_width(self.width)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

const fn is_width(width: u16) -> bool {
    width >= 1 && width <= 256
}

fn split_path(path: &str) -> Option<Tile> {
    if path.len() > MAX_PATH {
        return None;
    }
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let level = if level == "entries" {
        None
    } else {
        Some(level.parse().ok()?)
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, width.parse().ok()?),
        None => (rest, 256),
    };
    let mut index = 0u64;
    for group in groups.split('/') {
        let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(digits)?;
    }
    Some(Tile { level, index, width })
}

/// Hash tiles that a publication from size `old` to size `new` must write, lowest level first: those completed in between, and the
/// partial ones of exactly `new`. None if `new` is not larger.
pub fn tiles_for(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for level in 0..LEVELS {
        let shift = u32::from(level).saturating_mul(HEIGHT);
        let places = places_for(old >> shift, new >> shift);
        tiles.extend(places.map(|(index, width)| Tile::of_hashes(level, index, width)));
    }
    tiles
}

/// Entries tiles that a publication from size `old` to size `new` must write; as [`tiles_for`].
pub fn entries_tiles_for(old: u64, new: u64) -> Vec<Tile> {
    places_for(old, new)
        .map(|(index, width)| Tile::of_entries(index, width))
        .collect()
}

/// All that a publication from size `old` to size `new` must write: [`tiles_for`], then [`entries_tiles_for`].
pub fn tiles_between(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = tiles_for(old, new);
    tiles.extend(entries_tiles_for(old, new));
    tiles
}

/// Index and width of the tiles of one level that change when it grows from `before` to `after` hashes.
fn places_for(before: u64, after: u64) -> impl Iterator<Item = (u64, u16)> {
    let end = if after > before { after / WIDTH } else { 0 };
    let full = (before / WIDTH..end).map(|index| (index, 256));
    let width = if after > before {
        u16::try_from(after % WIDTH).unwrap_or(0)
    } else {
        0
    };
    full.chain((width > 0).then_some((after / WIDTH, width)))
}

/// Contents of a hash tile: its hashes one after another, read from a store of complete subtrees. Refuses entries tiles.
pub fn tile_bytes<R: HashReader>(reader: &R, tile: &Tile) -> Result<Vec<u8>, TileError<R::Error>> {
    let level = tile.level.filter(|_| tile.is_possible());
    let level = level.ok_or(BadTile("not the place of a hash tile"))?.saturating_mul(8);
    let first = tile.first_entry();
    let mut bytes = Vec::with_capacity(usize::from(tile.width).saturating_mul(32));
    for offset in 0..u64::from(tile.width) {
        let hash = reader
            .node(level, first.saturating_add(offset))
            .map_err(TileError::Fetch)?;
        bytes.extend_from_slice(hash.as_bytes());
    }
    Ok(bytes)
}

/// The name under which the publisher knows [`tile_bytes`].
pub use self::tile_bytes as hash_tile;

/// Contents of an entries tile, `(u16be length ‖ entry)*`, for 1 to 256 entries of at most [`MAX_ENTRY`] bytes.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BadTile> {
    let (mut bytes, mut count) = (Vec::new(), 0u16);
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BadTile("an entry is longer than 65535 bytes"))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
        count = count.saturating_add(1);
        if !is_width(count) {
            break;
        }
    }
    if is_width(count) {
        Ok(bytes)
    } else {
        Err(BadTile("a bundle has 1 to 256 entries"))
    }
}

/// Reads exactly `width` entries, 1 to 256.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<Vec<u8>>, BadTile> {
    if !is_width(width) {
        return Err(BadTile("a bundle has 1 to 256 entries"));
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for _ in 0..width {
        let (length, tail) = rest
            .split_first_chunk::<2>()
            .ok_or(BadTile("the bundle is cut short"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail
            .split_at_checked(length)
            .ok_or(BadTile("the bundle is cut short"))?;
        entries.push(entry.to_vec());
        rest = tail;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BadTile("the bundle has more entries than its width"))
    }
}

/// Reads nodes from the tiles of a tree of known size. It trusts the tiles: whoever proves something with it must check the proof
/// against a verified checkpoint. The last tile of each level is kept, so that a proof fetches each tile once.
pub struct TileReader<F> {
    size: u64,
    fetch: F,
    kept: RefCell<Vec<(Tile, Vec<Hash>)>>,
}

/// A node could not be read from tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// The store of nodes or tiles failed.
    #[error("a tile or node could not be fetched")]
    Fetch(#[source] E),
    /// The tile's bytes are not what its place demands, or the tree has no such node.
    #[error(transparent)]
    Bad(#[from] BadTile),
}

impl<E, F: Fn(&Tile) -> Result<Vec<u8>, E>> TileReader<F> {
    /// A reader for a tree of `size` leaves. `fetch` returns the contents of a tile, or of a wider one in its place (partial tiles
    /// may be gone once the full one exists).
    pub const fn new(size: u64, fetch: F) -> Self {
        Self {
            size,
            fetch,
            kept: RefCell::new(Vec::new()),
        }
    }

    fn hashes(&self, level: u8, index: u64) -> Result<Vec<Hash>, TileError<E>> {
        let at_level = self
            .size
            .checked_shr(u32::from(level).saturating_mul(HEIGHT))
            .unwrap_or(0);
        let have = at_level.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
        let width = u16::try_from(have).unwrap_or(0);
        if width == 0 {
            return Err(BadTile("beyond the tree").into());
        }
        let tile = Tile::of_hashes(level, index, width);
        if let Some((_, hashes)) = self.kept.borrow().iter().find(|(kept, _)| *kept == tile) {
            return Ok(hashes.clone());
        }
        // Nothing is borrowed here: `fetch` is foreign code and may read other nodes.
        let bytes = (self.fetch)(&tile).map_err(TileError::Fetch)?;
        let hashes = read_tile(&bytes, width)?;
        let mut kept = self.kept.borrow_mut();
        kept.retain(|(other, _)| other.level != tile.level);
        kept.push((tile, hashes.clone()));
        Ok(hashes)
    }
}

/// The first `width` hashes of a tile that is at least as wide.
fn read_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, BadTile> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if bytes.len() > FULL_TILE_BYTES || hashes.len() < usize::from(width) || !rest.is_empty() {
        return Err(BadTile("a hash tile has 32 bytes for each hash"));
    }
    Ok(hashes
        .iter()
        .take(usize::from(width))
        .map(|hash| Hash::from(*hash))
        .collect())
}

impl<E, F: Fn(&Tile) -> Result<Vec<u8>, E>> HashReader for TileReader<F> {
    type Error = TileError<E>;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let (tile_level, within) = (level / 8, u32::from(level) % HEIGHT);
        let leaves = 1u64 << within;
        let first = index.checked_mul(leaves).ok_or(BadTile("beyond the tree"))?;
        let hashes = self.hashes(tile_level, first / WIDTH)?;
        let skip = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
        let mut row: Vec<Hash> = hashes.into_iter().skip(skip).take(1usize << within).collect();
        if row.len() != 1usize << within {
            return Err(BadTile("the subtree is not complete").into());
        }
        while row.len() > 1 {
            let (pairs, _) = row.as_chunks::<2>();
            row = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        row.first()
            .copied()
            .ok_or_else(|| BadTile("the subtree is empty").into())
    }
}
