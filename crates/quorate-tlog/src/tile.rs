//! Tiles (C2SP tlog-tiles): 256 hashes or entries to a file, partial ones for the rightmost, immutable once full.

use crate::{
    hash::{Hash, node_hash},
    proof::HashReader,
};

/// Hashes or entries in a full tile.
pub const WIDTH: u64 = 256;
/// Levels of the tree to one level of tiles.
const HEIGHT: u32 = 8;
/// Largest entry in bytes: its length is written in two.
pub const MAX_ENTRY: usize = 65_535;

/// A tile's place: of hashes at a level, or of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Level of a hash tile (0 holds leaf hashes); `None` for entries.
    pub level: Option<u8>,
    /// Position at its level.
    pub index: u64,
    /// 1 to 256; less than 256 for a partial tile.
    pub width: u16,
}

/// A path or the contents of a tile are malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed tile: {0}")]
pub struct BadTile(&'static str);

impl Tile {
    /// Path below the log's prefix, such as `tile/0/x001/234.p/17`.
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
        if u64::from(self.width) < WIDTH {
            groups.push_str(&format!(".p/{}", self.width));
        }
        format!("tile/{level}/{groups}")
    }

    /// Reads exactly what [`Tile::path`] writes.
    pub fn parse_path(path: &str) -> Result<Self, BadTile> {
        let bad = BadTile("not a tile path");
        let rest = path.strip_prefix("tile/").ok_or(bad)?;
        let (level, rest) = rest.split_once('/').ok_or(bad)?;
        let level = if level == "entries" {
            None
        } else {
            Some(level.parse::<u8>().map_err(|_| bad)?)
        };
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().map_err(|_| bad)?),
            None => (rest, 256),
        };
        let mut index = 0u64;
        for group in groups.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().map_err(|_| bad)?;
            index = index
                .checked_mul(1000)
                .and_then(|index| index.checked_add(digits))
                .ok_or(bad)?;
        }
        let tile = Self { level, index, width };
        let sound = (1..=256).contains(&width) && level.is_none_or(|level| level <= 7) && tile.path() == path;
        if sound { Ok(tile) } else { Err(bad) }
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

    /// First leaf or entry that it covers.
    pub const fn first_entry(self) -> u64 {
        self.index.saturating_mul(WIDTH)
    }
}

/// Tiles that a publication from size `old` to size `new` adds: those completed in between, and the partial ones of `new`. Hash
/// tiles come level by level, then entries.
pub fn tiles_between(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if new <= old {
        return tiles;
    }
    for level in 0..8u8 {
        let shift = u32::from(level).saturating_mul(HEIGHT);
        let (before, after) = (old >> shift, new >> shift);
        if after == 0 {
            break;
        }
        if after > before {
            push_level(&mut tiles, Some(level), before, after);
        }
    }
    push_level(&mut tiles, None, old, new);
    tiles
}

fn push_level(tiles: &mut Vec<Tile>, level: Option<u8>, before: u64, after: u64) {
    for index in before / WIDTH..after / WIDTH {
        tiles.push(Tile {
            level,
            index,
            width: 256,
        });
    }
    let width = u16::try_from(after % WIDTH).unwrap_or(0);
    if width > 0 {
        tiles.push(Tile {
            level,
            index: after / WIDTH,
            width,
        });
    }
}

/// Contents of a hash tile: its hashes one after another.
pub fn hash_tile<R: HashReader>(reader: &R, tile: &Tile) -> Result<Vec<u8>, R::Error> {
    let node_level = u8::try_from(u32::from(tile.level.unwrap_or(0)).saturating_mul(HEIGHT)).unwrap_or(u8::MAX);
    let first = tile.first_entry();
    let mut bytes = Vec::with_capacity(usize::from(tile.width).saturating_mul(32));
    for offset in 0..u64::from(tile.width) {
        bytes.extend_from_slice(reader.node(node_level, first.saturating_add(offset))?.as_bytes());
    }
    Ok(bytes)
}

/// Contents of an entries tile: `(u16be length ‖ entry)*`.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BadTile> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BadTile("an entry is longer than 65535 bytes"))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads exactly `width` entries.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<Vec<u8>>, BadTile> {
    let mut entries = Vec::new();
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

/// Reads nodes from tiles of a tree of known size.
pub struct TileReader<F> {
    size: u64,
    fetch: F,
}

/// A node could not be read from tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// The tile could not be fetched.
    #[error("a tile could not be fetched")]
    Fetch(#[source] E),
    /// The tile's bytes are not what its place demands.
    #[error(transparent)]
    Bad(#[from] BadTile),
}

impl<E, F: Fn(&Tile) -> Result<Vec<u8>, E>> TileReader<F> {
    /// A reader for a tree of `size` leaves; `fetch` returns a tile's contents.
    pub const fn new(size: u64, fetch: F) -> Self {
        Self { size, fetch }
    }

    fn hashes(&self, level: u8, index: u64) -> Result<Vec<Hash>, TileError<E>> {
        let at_level = self.size >> u32::from(level).saturating_mul(HEIGHT);
        let have = at_level.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
        let width = u16::try_from(have).unwrap_or(0);
        if width == 0 {
            return Err(BadTile("beyond the tree").into());
        }
        let tile = Tile {
            level: Some(level),
            index,
            width,
        };
        let bytes = (self.fetch)(&tile).map_err(TileError::Fetch)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() != usize::from(width) || !rest.is_empty() {
            return Err(BadTile("a hash tile has 32 bytes for each hash").into());
        }
        Ok(hashes.iter().map(|hash| Hash::from(*hash)).collect())
    }
}

impl<E, F: Fn(&Tile) -> Result<Vec<u8>, E>> HashReader for TileReader<F> {
    type Error = TileError<E>;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let (tile_level, within) = (u32::from(level) / HEIGHT, u32::from(level) % HEIGHT);
        let first = index << within;
        let hashes = self.hashes(u8::try_from(tile_level).unwrap_or(u8::MAX), first / WIDTH)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::leaf_hash, proof, range::CompactRange};
    use std::collections::BTreeMap;

    #[test]
    fn paths_are_those_of_the_specification() {
        let check = |level, index, width, path: &str| {
            let tile = Tile { level, index, width };
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse_path(path), Ok(tile));
        };
        check(Some(0), 1_234_067, 256, "tile/0/x001/x234/067");
        check(Some(1), 5, 17, "tile/1/005.p/17");
        check(None, 0, 256, "tile/entries/000");
        for bad in [
            "tile/0/1",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/x000/001",
            "tile/8/000",
            "x",
        ] {
            assert!(Tile::parse_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_verifier_with_tiles_only_recomputes_every_root() {
        let (mut range, mut nodes) = (CompactRange::new(), BTreeMap::new());
        struct Nodes<'a>(&'a BTreeMap<(u8, u64), Hash>);
        impl HashReader for Nodes<'_> {
            type Error = ();
            fn node(&self, level: u8, index: u64) -> Result<Hash, ()> {
                self.0.get(&(level, index)).copied().ok_or(())
            }
        }
        let mut tiles = BTreeMap::new();
        let mut size = 0;
        for step in [1u64, 254, 1, 1, 255, 700] {
            for i in size..size + step {
                range.append_with(leaf_hash(&i.to_be_bytes()), |node| {
                    nodes.insert((node.level, node.index), node.hash);
                });
            }
            for tile in tiles_between(size, size + step)
                .into_iter()
                .filter(|tile| tile.level.is_some())
            {
                tiles.insert(tile.path(), hash_tile(&Nodes(&nodes), &tile).unwrap());
            }
            size += step;
            let reader = TileReader::new(size, |tile: &Tile| tiles.get(&tile.path()).cloned().ok_or("missing"));
            assert_eq!(proof::root(&reader, size).unwrap(), range.root());
            let path = proof::inclusion(&reader, size / 2, size).unwrap().unwrap();
            let leaf = leaf_hash(&(size / 2).to_be_bytes());
            assert_eq!(
                proof::verify_inclusion(leaf, size / 2, size, &path, range.root()),
                Ok(())
            );
        }
    }

    #[test]
    fn bundles_round_trip_and_refuse_other_widths() {
        let entries: Vec<Vec<u8>> = vec![vec![1, 2], vec![], vec![3; 300]];
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(decode_bundle(&bytes, 3), Ok(entries));
        assert!(decode_bundle(&bytes, 2).is_err() && decode_bundle(&bytes, 4).is_err());
        assert!(encode_bundle([&vec![0; MAX_ENTRY + 1][..]]).is_err());
    }
}
