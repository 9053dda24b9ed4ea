// Openings of tokens: only what the leaf commits to, for this place and this issuer, is shown as a token.

import assert from "node:assert/strict";
import { createCipheriv, hkdfSync } from "node:crypto";
import { test } from "node:test";

import { concat, u64be, utf8 } from "../site/js/bytes.js";
import { encode } from "../site/js/cbor.js";
import { leafHash, sha256 } from "../site/js/hash.js";
import { readLeaf } from "../site/js/leaf.js";
import { Subject } from "../site/js/subject.js";
import { openToken } from "../site/js/token_entry.js";

/** @typedef {import("../site/js/bytes.js").Bytes} Bytes */

const ISSUER = "https://id.example.org";
Object.assign(globalThis, { location: { origin: ISSUER } });

const K_SUBJECT = new Uint8Array(32).fill(8);
const INDEX = 313;
const ACCESS = { iss: ISSUER, aud: ISSUER, client_id: "web", sid: "s", scope: "email openid", exp: 2000, tlx: "1/313" };

/**
 * A leaf that commits to a body, and the body sealed to the subject.
 * @param {Bytes} body
 */
async function logged(body) {
  const salt = new Uint8Array(32).fill(3);
  const bytes = new Uint8Array(139);
  bytes.set([1, 5]);
  bytes[106] = 65;
  bytes.set(await sha256(utf8("quorate/entry/v1\0"), salt, body), 74);
  const hash = await leafHash(bytes);
  const info = concat(utf8("quorate/subject-body/v1\0"), u64be(1), u64be(INDEX));
  const key = new Uint8Array(hkdfSync("sha256", K_SUBJECT, new Uint8Array(0), info, 32));
  const nonce = new Uint8Array(12);
  const seal = (/** @type {Bytes} */ opening) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(hash);
    return new Uint8Array(Buffer.concat([nonce, cipher.update(opening), cipher.final(), cipher.getAuthTag()]));
  };
  const found = { index: INDEX, leaf: readLeaf(bytes), bytes, hash };
  return { found, sealed: seal(concat(salt, body)), seal };
}

/** @param {unknown} claims */
const bodyOf = (claims) => encode(new Map(/** @type {[number, any][]} */ ([[0, utf8(JSON.stringify(claims))], [9, "later"]])));

const subject = await Subject.of(1, K_SUBJECT);
/** @param {Bytes} body */
const open = async (body) => {
  const { found, sealed } = await logged(body);
  return openToken(subject, found, sealed);
};

test("access tokens and ID tokens are read", async () => {
  const access = await open(bodyOf(ACCESS));
  assert.deepEqual(
    [access?.kind, access?.clientId, access?.session, access?.scope, access?.audience, access?.expiresMs],
    ["access", "web", "s", "email openid", undefined, 2_000_000],
  );
  const forApi = await open(bodyOf({ ...ACCESS, aud: "https://api.example.org" }));
  assert.equal(forApi?.audience, "https://api.example.org");
  const id = await open(bodyOf({ iss: ISSUER, aud: "web", exp: 2000, tlx: "1/313" }));
  assert.deepEqual([id?.kind, id?.clientId, id?.session, id?.scope], ["id", "web", "1/313", undefined]);
});

test("what is not this token is left out", async () => {
  const bad = [
    bodyOf({ ...ACCESS, iss: "https://other.example.org" }),
    bodyOf({ ...ACCESS, tlx: "1/314" }),
    bodyOf({ ...ACCESS, tlx: "2/313" }),
    bodyOf({ ...ACCESS, exp: "2000" }),
    bodyOf({ ...ACCESS, client_id: undefined, aud: ["web"] }),
    bodyOf([]),
    encode(new Map()),
    encode(new Map(/** @type {[number, any][]} */ ([[0, "text"]]))),
    encode([utf8("{}")]),
    utf8("no CBOR"),
  ];
  for (const body of bad) assert.equal(await open(body), undefined);
});

test("another body than the one that was logged is left out", async () => {
  const { found, sealed, seal } = await logged(bodyOf(ACCESS));
  assert.ok(await openToken(subject, found, sealed));
  const salt = new Uint8Array(32).fill(3);
  assert.equal(await openToken(subject, found, seal(concat(salt, bodyOf({ ...ACCESS, scope: "openid" })))), undefined);
  assert.equal(await openToken(subject, found, seal(concat(salt.map(() => 4), bodyOf(ACCESS)))), undefined);
  assert.equal(await openToken(subject, found, seal(salt)), undefined);
  assert.equal(await openToken(await Subject.of(1, salt), found, sealed), undefined);
});
