// The log's formats against files that the Rust side wrote, and against its rules of refusal.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { toBase64 } from "../site/js/base64.js";
import { concat, equal, hex, utf8 } from "../site/js/bytes.js";
import { logNumber, readCheckpoint } from "../site/js/checkpoint.js";
import { fromSeed, isSmallOrder, verify } from "../site/js/ed25519.js";
import { leafHash, sha256 } from "../site/js/hash.js";
import { verifiedClaims } from "../site/js/jws.js";
import { opens, readLeaf } from "../site/js/leaf.js";
import { isIncluded, rootOf } from "../site/js/merkle.js";
import { COSIGNATURE, ED25519, isName, keyId, readNote, readVerifierKey } from "../site/js/note.js";
import { readPolicy, vouchedCheckpoint } from "../site/js/policy.js";
import { readEntries, readHashes, tilePath, widthOf } from "../site/js/tile.js";
import { writeTlogProof } from "../site/js/tlog_proof.js";
import { Tree } from "../site/js/tree.js";
import { signatureLine, signer, writeVerifierKey } from "./signer.js";

/** @typedef {import("../site/js/bytes.js").Bytes} Bytes */

const LOG = new URL("vectors/log/", import.meta.url);
/** @param {string} name */
const bytesOf = async (name) => new Uint8Array(await readFile(new URL(name, LOG)));
/** @param {string} name */
const textOf = async (name) => readFile(new URL(name, LOG), "utf8");
/** @param {string} path */
const fetchTile = async (path) => bytesOf(path).catch(() => undefined);

const policy = await readPolicy(await textOf("tlog-policy"));
const published = await textOf("checkpoint");
const checkpoint = await vouchedCheckpoint(policy, published);

test("policy and checkpoint of the Rust side are accepted", async () => {
  assert.equal(policy.logs[0]?.url, "http://localhost:8411/log/1");
  assert.equal(checkpoint.origin, "localhost:8410/log/1");
  assert.equal(checkpoint.size, 314);
  assert.equal(checkpoint.signature.length, 64);
  assert.equal(hex(checkpoint.root), hex(readCheckpoint(readNote(published).text).root));
  const key = policy.logs[0]?.key;
  assert.ok(key !== undefined && (await textOf("tlog-policy")).includes(writeVerifierKey(key)));
});

test("a checkpoint with one altered character is refused", async () => {
  for (let at = 0; at < published.length; at += 1) {
    for (const other of ["A", "1", "\n", ""]) {
      const altered = published.slice(0, at) + other + published.slice(at + 1);
      if (altered !== published)
        await assert.rejects(vouchedCheckpoint(policy, altered), `${at} ${JSON.stringify(other)}`);
    }
  }
});

test("the tree of the Rust side's tiles is the checkpoint's, and gives its proofs", async () => {
  const tree = new Tree(checkpoint, fetchTile);
  const entries = [...(await tree.entries(0)), ...(await tree.entries(1))];
  assert.equal(entries.length, 314);
  assert.ok(equal(await rootOf(entries.map(({ hash }) => hash)), checkpoint.root));
  for (const index of [0, 200, 313]) {
    const path = await tree.inclusion(index);
    assert.equal(writeTlogProof({ index, path, note: published }), await textOf(`${index}.tlog-proof`));
    const leaf = /** @type {Bytes} */ (entries[index]?.hash);
    assert.ok(await isIncluded({ leaf, index, size: 314, proof: path, root: checkpoint.root }));
  }
});

test("an altered, missing or exchanged tile is noticed", async () => {
  const files = ["tile/0/000", "tile/0/001.p/58", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/58"];
  for (const file of files) {
    const read = async (/** @type {(path: string) => Promise<Bytes | undefined>} */ fetch) => {
      const tree = new Tree(checkpoint, fetch);
      await tree.entries(0);
      await tree.entries(1);
      return tree.inclusion(3);
    };
    await read(fetchTile);
    await assert.rejects(
      read(async (path) => (path === file ? undefined : fetchTile(path))),
      `${file} missing`,
    );
    await assert.rejects(
      read(async (path) => {
        const tile = await fetchTile(path);
        if (path === file && tile !== undefined)
          tile[tile.length - 1] = /** @type {number} */ (tile[tile.length - 1]) ^ 1;
        return tile;
      }),
      `${file} altered`,
    );
  }
});

test("trees of all shapes around the borders of tiles are read back", async () => {
  const hashes = await Promise.all(Array.from({ length: 1100 }, (_, at) => leafHash(utf8(`${at}`))));
  for (const size of [1, 2, 255, 256, 257, 511, 512, 513, 768, 1024, 1099]) {
    const root = await rootOf(hashes.slice(0, size));
    const fetch = async (/** @type {string} */ path) => {
      const parts = /^tile\/(entries|\d)\/(\d{3})(?:\.p\/(\d+))?$/.exec(path);
      const [, level, index = "", width = "256"] = parts ?? [];
      const first = Number(index) * 256;
      const places = Array.from({ length: Number(width) }, (_, at) => first + at);
      // The wider file only: as if a later checkpoint had replaced the partial ones.
      if (level === "entries") {
        return concat(...places.flatMap((at) => [Uint8Array.of(0, `${at}`.length), utf8(`${at}`)]));
      }
      const roots = places.map((at) =>
        rootOf(hashes.slice(at * 256 ** Number(level), (at + 1) * 256 ** Number(level))),
      );
      return concat(...(await Promise.all(roots)));
    };
    const tree = new Tree({ size, root }, fetch);
    for (const index of [0, Math.floor(size / 2), size - 1]) {
      const tile = await tree.entries(Math.floor(index / 256));
      const leaf = /** @type {Bytes} */ (tile[index % 256]?.hash);
      const proof = await tree.inclusion(index);
      assert.ok(await isIncluded({ leaf, index, size, proof, root }), `${index} of ${size}`);
    }
    await assert.rejects(tree.entries(Math.ceil(size / 256)), `beyond ${size}`);
  }
});

test("tile paths are those of the specification", () => {
  assert.equal(tilePath(0, 0, 256), "tile/0/000");
  assert.equal(tilePath(0, 1234067, 256), "tile/0/x001/x234/067");
  assert.equal(tilePath(3, 999, 1), "tile/3/999.p/1");
  assert.equal(tilePath("entries", 1000, 17), "tile/entries/x001/000.p/17");
  assert.equal(widthOf(0, 1, 314), 58);
  assert.equal(widthOf(1, 0, 314), 1);
  assert.equal(widthOf(0, 2, 314), 0);
  assert.throws(() => readHashes(new Uint8Array(33), 1));
  assert.throws(() => readHashes(new Uint8Array(32), 2));
  assert.throws(() => readHashes(new Uint8Array(257 * 32), 1));
  assert.equal(readHashes(new Uint8Array(64), 1).length, 1);
});

test("tiles of entries are read whole or not at all", () => {
  const tile = Uint8Array.of(0, 1, 7, 0, 0, 0, 2, 8, 9);
  assert.deepEqual(readEntries(tile, 3).map(hex), ["07", "", "0809"]);
  assert.deepEqual(readEntries(tile, 1).map(hex), ["07"]);
  assert.throws(() => readEntries(tile, 4));
  assert.throws(() => readEntries(tile.slice(0, -1), 1));
  assert.throws(() => readEntries(tile.slice(0, 4), 1));
  assert.throws(() => readEntries(new Uint8Array(2 * 257), 1));
});

test("leaves are read strictly, and the last one is of its token", async () => {
  const tree = new Tree(checkpoint, fetchTile);
  const last = (await tree.entries(1)).at(-1);
  assert.ok(last !== undefined);
  const leaf = readLeaf(last.bytes);
  assert.equal(leaf.type, "token");
  assert.equal(leaf.evidence, "C");
  assert.ok(leaf.subjectTag.every((byte) => byte === 0));
  const token = (await textOf("token")).trim();
  const signingInput = utf8(token.slice(0, token.lastIndexOf(".")));
  assert.equal(hex(leaf.tokenHash), hex(await sha256(utf8("quorate/token/v1\0"), signingInput)));
  const claims = await verifiedClaims(token, JSON.parse(await textOf("jwks.json")), "at+jwt");
  assert.equal(claims.tlx, "1/313");
  for (const [at, value] of /** @type {[number, number][]} */ ([
    [0, 2],
    [1, 0],
    [1, 11],
    [106, 71],
    [106, 64],
    [2, 255],
  ])) {
    const bad = last.bytes.slice();
    bad[at] = value;
    assert.throws(() => readLeaf(bad), `${at}`);
  }
  assert.throws(() => readLeaf(last.bytes.slice(0, -1)));
  assert.throws(() => readLeaf(concat(last.bytes, Uint8Array.of(0))));
  const [salt, body] = [new Uint8Array(32), utf8("body")];
  const opened = { ...leaf, commit: await sha256(utf8("quorate/entry/v1\0"), salt, body) };
  assert.ok(await opens(opened, salt, body));
  assert.ok(!(await opens(opened, salt, utf8("another"))));
  assert.ok(!(await opens(opened, concat(salt, body.slice(0, 1)), body.slice(1))));
});

test("notes are read strictly", async () => {
  const key = /** @type {import("../site/js/note.js").VerifierKey} */ (policy.logs[0]?.key);
  const line = signatureLine(key, new Uint8Array(64));
  const good = `text\n\n${line}`;
  assert.equal(readNote(good).lines.length, 1);
  assert.equal(readNote(`a\n\nb\n\n${line}`).text, "a\n\nb\n");
  assert.equal(readNote(`text\n\n${line.repeat(64)}`).lines.length, 64);
  const refused = [
    "",
    "text\n",
    `text${line}`,
    `text\n${line}`,
    good.slice(0, -1),
    `${good}\n`,
    `te\txt\n\n${line}`,
    `te\rxt\n\n${line}`,
    `text\n\n${line.repeat(65)}`,
    `text\n\n${line.replace("—", "-")}`,
    `text\n\n${line.replace(" ", "  ")}`,
    `text\n\n— name ${toBase64(new Uint8Array(4))}\n`,
    `text\n\n— na+me ${toBase64(new Uint8Array(68))}\n`,
    `text\n\n— name not/base64\n`,
  ];
  for (const bad of refused) assert.throws(() => readNote(bad), JSON.stringify(bad.slice(0, 40)));
  for (const bad of ["", "a b", "a\u00a0b", "a\u2028b", "a+b", "a\tb", "x".repeat(256)]) assert.ok(!isName(bad), bad);
});

test("verifier keys are read strictly", async () => {
  const vkey = writeVerifierKey(/** @type {any} */ (policy.logs[0]?.key));
  await readVerifierKey(vkey);
  const [, name = "", id = "", key = ""] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(vkey) ?? [];
  const refused = [
    `${name}+${id}`,
    `${name}+00000000+${key}`,
    `${name}+${id.toUpperCase()}+${key}`,
    `other+${id}+${key}`,
    `+${id}+${key}`,
    `${name}+${id}+${key}=`,
  ];
  for (const bad of refused) await assert.rejects(readVerifierKey(bad), bad);
  for (const [type, length] of [
    [0x02, 32],
    [0x01, 31],
    [0x04, 33],
    [0x06, 32],
  ]) {
    const publicKey = new Uint8Array(/** @type {number} */ (length)).fill(9);
    const own = hex(await keyId("n", /** @type {number} */ (type), publicKey));
    await assert.rejects(
      readVerifierKey(`n+${own}+${toBase64(concat(Uint8Array.of(/** @type {number} */ (type)), publicKey))}`),
    );
  }
  const zero = new Uint8Array(32);
  await assert.rejects(
    readVerifierKey(`n+${hex(await keyId("n", 1, zero))}+${toBase64(concat(Uint8Array.of(1), zero))}`),
  );
});

test("a quorum counts witnesses, not lines", async () => {
  const log = await signer("example.org/log/1", ED25519, 1);
  const [a, b, c] = await Promise.all([2, 3, 4].map((seed) => signer(`witness-${seed}`, COSIGNATURE, seed)));
  const text = `example.org/log/1\n7\n${toBase64(new Uint8Array(32))}\n`;
  const lines = `log ${log.vkey}\nwitness a ${a?.vkey}\nwitness b ${b?.vkey}\nwitness c ${c?.vkey}\n`;
  const two = await readPolicy(`# two of three\n${lines}group g 2 a b c\n\nquorum g\n`);
  const note = async (/** @type {any[]} */ ...signers) =>
    `${text}\n${(await Promise.all(signers.map((signer) => signer.line(text)))).join("")}`;
  assert.equal((await vouchedCheckpoint(two, await note(log, a, b))).size, 7);
  assert.equal((await vouchedCheckpoint(two, await note(c, b, a, log))).size, 7);
  await assert.rejects(vouchedCheckpoint(two, await note(log, a)), /quorum/);
  await assert.rejects(vouchedCheckpoint(two, await note(log, a, a)), /quorum/);
  await assert.rejects(vouchedCheckpoint(two, await note(a, b)), /log/);
  const stranger = await signer("example.org/log/1", ED25519, 9);
  await assert.rejects(vouchedCheckpoint(two, await note(stranger, a, b)), /log/);
  assert.equal((await vouchedCheckpoint(two, await note(stranger, log, a, b))).size, 7);
  // The log's key under the name of a log, the text of another: nobody of that origin has signed.
  const elsewhere = `other.org/log/1\n7\n${toBase64(new Uint8Array(32))}\n`;
  await assert.rejects(
    vouchedCheckpoint(await readPolicy(`log ${log.vkey}\nquorum none\n`), `${elsewhere}\n${await log.line(elsewhere)}`),
    /log/,
  );
  // One bad signature of a known key refuses the note, whatever the others do.
  const bad = (await note(log, a, b)).replace(
    /(witness-2 \S{20})(\S)/,
    (_, head, one) => head + (one === "A" ? "B" : "A"),
  );
  await assert.rejects(vouchedCheckpoint(two, bad), /witness-2/);
});

test("policies are read strictly", async () => {
  const log = await signer("example.org/log/1", ED25519, 1);
  const witness = await signer("w", COSIGNATURE, 2);
  const same = await signer("v", COSIGNATURE, 2);
  const lines = `log ${log.vkey}\nwitness w ${witness.vkey}\n`;
  await readPolicy(`${lines}quorum w\n`);
  await readPolicy(`${lines}group g any w\nquorum g\n`);
  await readPolicy(`\n \t# words\n${lines}group g\tall  w\nquorum none\n`);
  const refused = [
    "",
    lines,
    `${lines}quorum w`,
    `${lines}quorum none\nquorum none\n`,
    `${lines}quorum x\n`,
    `${lines}quorum g\ngroup g 1 w\n`,
    `${lines}group g 0 w\nquorum g\n`,
    `${lines}group g 2 w\nquorum g\n`,
    `${lines}group g 01 w\nquorum g\n`,
    `${lines}group g 1\nquorum none\n`,
    `${lines}group none 1 w\nquorum none\n`,
    `${lines}group w 1 w\nquorum w\n`,
    `${lines}group g 1 w\ngroup h 1 w\nquorum h\n`,
    `${lines}group g 2 w w\nquorum g\n`,
    `${lines}witness v ${same.vkey}\nquorum none\n`,
    `${lines}witness w ${(await signer("u", COSIGNATURE, 5)).vkey}\nquorum none\n`,
    `log ${witness.vkey}\nquorum none\n`,
    `witness w ${log.vkey}\nquorum none\n`,
    `${lines}${lines}quorum none\n`,
    `${lines}other\nquorum none\n`,
    `${lines}quorum none\r\n`,
    `log ${log.vkey} a b\nquorum none\n`,
  ];
  for (const bad of refused) await assert.rejects(readPolicy(bad), JSON.stringify(bad));
});

test("checkpoints are read strictly", () => {
  const root = toBase64(new Uint8Array(32));
  assert.equal(readCheckpoint(`o\n0\n${root}\n`).size, 0);
  for (const bad of [
    `o\n1\n${root}`,
    `o\n1\n${root}\nextension\n`,
    `o\n01\n${root}\n`,
    `o\n-1\n${root}\n`,
    `o\n1\n${root.slice(0, -1)}\n`,
    `o\n1\nAAAA\n`,
    `\n1\n${root}\n`,
    `o o\n1\n${root}\n`,
    `o\n1\n`,
    "",
  ]) {
    assert.throws(() => readCheckpoint(bad), JSON.stringify(bad));
  }
  assert.equal(logNumber("id.example.org/log/12", "https://id.example.org"), 12);
  assert.equal(logNumber("localhost:8410/log/1", "http://localhost:8410"), 1);
  for (const bad of [
    "id.example.org/log/",
    "id.example.org/log/01",
    "id.example.org/log/1/2",
    "evil.org/log/1",
    "xid.example.org/log/1",
  ]) {
    assert.throws(() => logNumber(bad, "https://id.example.org"), bad);
  }
});

test("Ed25519 without points of small order, and RFC 8032's first example", async () => {
  const { publicKey, sign } = await fromSeed(
    Uint8Array.from(Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex")),
  );
  assert.equal(hex(publicKey), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const signature = await sign(new Uint8Array(0));
  assert.match(hex(signature), /^e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155/);
  assert.ok(await verify(publicKey, new Uint8Array(0), signature));
  assert.ok(!(await verify(publicKey, Uint8Array.of(1), signature)));
  assert.ok(!(await verify(publicKey, new Uint8Array(0), signature.slice(0, 63))));
  // The identity as key and as R verifies everything under the bare equation.
  const identity = Uint8Array.of(1, ...new Uint8Array(31));
  assert.ok(!(await verify(identity, utf8("anything"), concat(identity, new Uint8Array(32)))));
  for (const first of [0, 1, 0xec, 0xed, 0xee]) {
    const point = new Uint8Array(32).fill(first < 2 ? 0 : 0xff);
    point[0] = first;
    if (first >= 2) point[31] = 0x7f;
    assert.ok(isSmallOrder(point), `${first}`);
    point[31] = /** @type {number} */ (point[31]) | 0x80;
    assert.ok(isSmallOrder(point), `${first} with sign`);
  }
  assert.ok(!isSmallOrder(publicKey));
});
