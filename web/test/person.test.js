// Grants, statements, tags, openings and record proofs against bytes that a third program made (vectors/README.md).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { checkForward } from "../site/js/anchor.js";
import { toBase64, toBase64url } from "../site/js/base64.js";
import { concat, hex, utf8 } from "../site/js/bytes.js";
import { decode, encode } from "../site/js/cbor.js";
import { grantChallenge, makeCode, sessionId, sessionMessage, writeGrant } from "../site/js/grant.js";
import { leafHash, nodeHash, sha256 } from "../site/js/hash.js";
import { gatewayUrl } from "../site/js/issuer.js";
import { ED25519 } from "../site/js/note.js";
import { readPolicy } from "../site/js/policy.js";
import { readPublicKey } from "../site/js/public_key.js";
import { readClient, readInvitation } from "../site/js/record.js";
import { checkClient, checkInvitation, recordLeaf } from "../site/js/registry.js";
import { Scan } from "../site/js/scan.js";
import {
  enrolmentChallenge,
  enrolmentMessage,
  revocationChallenge,
  writeEnrolment,
  writeRevocation,
} from "../site/js/statement.js";
import { Subject } from "../site/js/subject.js";
import { Tree } from "../site/js/tree.js";
import { signer } from "./signer.js";

/** @typedef {import("../site/js/bytes.js").Bytes} Bytes */

const VECTORS = JSON.parse(await readFile(new URL("../../vectors/person.json", import.meta.url), "utf8"));

/** @param {number} length */
const counting = (length) => Uint8Array.from({ length }, (_, at) => at);
/**
 * @param {number} byte
 * @param {number} length
 */
const filled = (byte, length) => new Uint8Array(length).fill(byte);

const ISSUER = "https://id.example.org";
const ANCHOR = {
  log: 1,
  size: 70000,
  root: counting(32),
  signature: counting(64),
  timeMs: 5,
  registryRoot: filled(0, 32),
};
const MADE = async () => ({
  issuer: ISSUER,
  codeHash: await sha256(utf8("quorate/code/v1\0"), filled(7, 32)),
  session: filled(9, 64),
  iat: 1795650000,
  anchor: ANCHOR,
});
const LEAST = {
  clientId: "web",
  redirectUri: "https://app.example.org/cb",
  scope: ["openid"],
  acr: [],
  claims: { id_token: [], userinfo: [] },
};

test("grants have the specified bytes", async () => {
  const challenge = toBase64url(filled(1, 32));
  const cases = {
    least: LEAST,
    most: {
      ...LEAST,
      scope: ["email", "groups", "openid", "profile"],
      resource: "https://api.example.org",
      nonce: "n-ü",
      codeChallenge: challenge,
      dpopJkt: challenge,
      acr: ["urn:quorate:passkey", "urn:quorate:session"],
      claims: { id_token: ["email", "name"], userinfo: ["groups"] },
      maxAge: 0,
      sub: "u-aaaaaaaaaaaaaaaaaaaaaaaaaa",
    },
    one_claims_member: { ...LEAST, claims: { id_token: [], userinfo: ["email"] }, maxAge: 300 },
  };
  for (const [name, asked] of Object.entries(cases)) {
    const grant = writeGrant(asked, await MADE());
    assert.equal(hex(grant), VECTORS[name].canonical, name);
    assert.equal(hex(await grantChallenge(grant)), VECTORS[name].challenge, name);
    assert.equal(hex(sessionMessage(grant)), VECTORS[name].session_message, name);
  }
  assert.equal(hex((await MADE()).codeHash), VECTORS.code_hash);
  assert.equal(await sessionId(filled(9, 64)), VECTORS.sid);
  const { code, codeHash } = await makeCode();
  assert.match(code, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(
    hex(codeHash),
    hex(await sha256(utf8("quorate/code/v1\0"), Uint8Array.from(Buffer.from(code, "base64url")))),
  );
});

test("statements have the specified bytes", async () => {
  const enrolment = {
    issuer: ISSUER,
    credentialId: filled(4, 16),
    publicKey: [0, [filled(5, 64)]],
    kSubject: filled(6, 32),
    label: "Schlüssel",
    anchor: ANCHOR,
  };
  const invited = writeEnrolment({ ...enrolment, by: { invitation: filled(2, 32) } });
  assert.equal(hex(invited), VECTORS.enrolment_by_invitation.canonical);
  assert.equal(hex(await enrolmentChallenge(invited)), VECTORS.enrolment_by_invitation.challenge);
  assert.equal(hex(await sha256(enrolmentMessage(invited))), VECTORS.enrolment_by_invitation.challenge);
  const added = writeEnrolment({ ...enrolment, by: { passkey: filled(3, 20) } });
  assert.equal(hex(added), VECTORS.enrolment_by_passkey.canonical);
  const opening = { salt: filled(3, 32), body: Uint8Array.of(0xa0) };
  const revocation = writeRevocation({ issuer: ISSUER, index: 123456, ...opening, anchor: ANCHOR });
  assert.equal(hex(revocation), VECTORS.revocation.canonical);
  assert.equal(hex(await revocationChallenge(revocation)), VECTORS.revocation.challenge);
});

test("tags and sealed openings have the specified bytes", async () => {
  const subject = await Subject.of(1, filled(8, 32));
  assert.equal(hex(await subject.tag(313)), VECTORS.tag);
  assert.ok(await subject.owns(313, Uint8Array.from(Buffer.from(VECTORS.tag, "hex"))));
  assert.ok(!(await subject.owns(314, Uint8Array.from(Buffer.from(VECTORS.tag, "hex")))));
  assert.ok(!(await subject.owns(313, new Uint8Array(16))));
  const sealed = Uint8Array.from(Buffer.from(VECTORS.sealed, "hex"));
  const opened = await subject.open(313, filled(11, 32), sealed);
  assert.deepEqual(opened, { salt: filled(12, 32), body: Uint8Array.of(0xa0) });
  assert.equal(await subject.open(314, filled(11, 32), sealed), undefined);
  assert.equal(await subject.open(313, filled(12, 32), sealed), undefined);
  assert.equal(await (await Subject.of(2, filled(8, 32))).open(313, filled(11, 32), sealed), undefined);
  assert.equal(await subject.open(313, filled(11, 32), sealed.slice(0, 5)), undefined);
});

test("record leaves have the specified bytes", async () => {
  const record = Uint8Array.from(Buffer.from(VECTORS.record, "hex"));
  assert.equal(hex(await recordLeaf(filled(14, 16), "client/web", record)), VECTORS.record_leaf);
});

/** @type {[number, any][]} */
const CLIENT = [
  [0, "web"],
  [1, "An app"],
  [2, 0],
  [3, ["https://app.example.org/cb"]],
  [4, []],
  [5, "email openid"],
  [6, []],
  [7, 2],
  [8, []],
  [9, 1],
  [10, true],
  [11, ["email"]],
  [12, []],
  [13, 300],
  [14, false],
];

test("client records are read, unknown members ignored, wrong types refused", () => {
  const client = readClient(encode([8, [new Map([...CLIENT, [99, "later"]])]]));
  assert.deepEqual(client, {
    clientId: "web",
    name: "An app",
    isNative: false,
    redirectUris: ["https://app.example.org/cb"],
    postLogoutRedirectUris: [],
    scope: ["email", "openid"],
    resources: [],
    hasSecret: true,
    pkceOptional: true,
    silent: true,
    idTokenClaims: ["email"],
    accessTokenClaims: [],
    suspended: false,
  });
  const altered = /** @type {[number, any][]} */ ([
    [0, 1],
    [1, true],
    [3, "https://x"],
    [3, [1]],
    [5, ["a"]],
    [7, 3],
    [9, 2],
    [10, 1],
    [14, 0],
  ]);
  for (const [member, value] of altered) {
    const bad = new Map(CLIENT).set(member, value);
    assert.throws(() => readClient(encode([8, [bad]])), `${member}`);
    bad.delete(member);
    assert.throws(() => readClient(encode([8, [bad]])), `without ${member}`);
  }
  for (const bad of [[5, [new Map(CLIENT)]], [8, new Map(CLIENT)], [8, [new Map(CLIENT), 1]], [8], 8]) {
    assert.throws(() => readClient(encode(bad)));
  }
});

test("invitation records are read", () => {
  const value = new Map(
    /** @type {[number, any][]} */ ([
      [0, filled(1, 32)],
      [1, "u-x"],
      [2, "ada"],
      [4, 1000],
    ]),
  );
  assert.deepEqual(readInvitation(encode([11, [value]])), {
    publicKey: filled(1, 32),
    sub: "u-x",
    userName: "ada",
    displayName: undefined,
    expiresMs: 1000,
  });
  assert.equal(readInvitation(encode([11, [new Map(value).set(3, "Ada")]])).displayName, "Ada");
  assert.throws(() => readInvitation(encode([11, [new Map(value).set(0, filled(1, 31))]])));
  assert.throws(() => readInvitation(encode([8, [value]])));
});

/**
 * A log of one leaf whose registry has two records.
 * @param {Bytes} record
 * @param {string} key
 */
async function gatewayAnswer(record, key) {
  const salt = filled(3, 16);
  const other = filled(4, 32);
  const registryRoot = await nodeHash(other, await recordLeaf(salt, key, record));
  const leaf = new Uint8Array(139);
  leaf.set([1, 8, 0, 0, 1, 0, 0, 0, 0, 0]);
  leaf.set(registryRoot, 10);
  const before = await leafHash(utf8("before"));
  const root = await nodeHash(before, await leafHash(leaf));
  const log = await signer("id.example.org/log/1", ED25519, 1);
  const text = `id.example.org/log/1\n2\n${toBase64(root)}\n`;
  return {
    policy: await readPolicy(`log ${log.vkey}\nquorum none\n`),
    answer: {
      checkpoint: `${text}\n${await log.line(text)}`,
      leaf: toBase64url(leaf),
      leaf_proof: [toBase64url(before)],
      record: toBase64url(record),
      salt: toBase64url(salt),
      record_index: 1,
      record_count: 2,
      record_proof: [toBase64url(other)],
    },
  };
}

test("a proved record is accepted, and every altered member of the answer is refused", async () => {
  const record = encode([8, [new Map(CLIENT)]]);
  const { policy, answer } = await gatewayAnswer(record, "client/web");
  const { anchor, client } = await checkClient(policy, ISSUER, "web", answer);
  assert.equal(client.name, "An app");
  assert.deepEqual([anchor.log, anchor.size, anchor.timeMs], [1, 2, 0x10000000000]);
  const reason = (/** @type {string} */ expected) => (/** @type {any} */ error) => error.reason === expected;
  const flip = (/** @type {string} */ text) => text.replace(/^./, (one) => (one === "B" ? "C" : "B"));
  const forged = encode([8, [new Map(CLIENT).set(1, "Another name")]]);
  const cases = /** @type {[string, any, string][]} */ ([
    ["checkpoint", answer.checkpoint.replace("\n2\n", "\n3\n"), "checkpoint_unsigned"],
    ["checkpoint", undefined, "checkpoint_unsigned"],
    ["leaf", flip(answer.leaf), "leaf_not_in_log"],
    ["leaf", answer.leaf.slice(0, -4), "leaf_not_in_log"],
    ["leaf_proof", [], "leaf_not_in_log"],
    ["leaf_proof", [flip(String(answer.leaf_proof[0]))], "leaf_not_in_log"],
    ["leaf_proof", "x", "leaf_not_in_log"],
    ["record", toBase64url(forged), "record_not_in_registry"],
    ["salt", flip(answer.salt), "record_not_in_registry"],
    ["salt", toBase64url(filled(3, 17)), "record_not_in_registry"],
    ["record_index", 0, "record_not_in_registry"],
    ["record_index", "1", "record_not_in_registry"],
    ["record_count", 3, "record_not_in_registry"],
    ["record_proof", [flip(String(answer.record_proof[0]))], "record_not_in_registry"],
    ["record_proof", [...answer.record_proof, ...answer.record_proof], "record_not_in_registry"],
  ]);
  for (const [member, value, expected] of cases) {
    await assert.rejects(checkClient(policy, ISSUER, "web", { ...answer, [member]: value }), reason(expected), member);
  }
  await assert.rejects(checkClient(policy, ISSUER, "web", null), reason("checkpoint_malformed"));
  await assert.rejects(checkClient(policy, ISSUER, "web2", answer), reason("record_not_in_registry"));
  await assert.rejects(checkClient(policy, "https://other.example.org", "web", answer), reason("leaf_not_in_log"));
  // A record that stands under this key but names another client, as no honest registry has it.
  const other = await gatewayAnswer(encode([8, [new Map(CLIENT).set(0, "other")]]), "client/web");
  await assert.rejects(checkClient(other.policy, ISSUER, "web", other.answer), reason("record_of_another"));
  const machine = await gatewayAnswer(encode([5, [new Map(CLIENT)]]), "client/web");
  await assert.rejects(checkClient(machine.policy, ISSUER, "web", machine.answer), reason("record_malformed"));
});

test("a proved invitation is accepted", async () => {
  const value = new Map(
    /** @type {[number, any][]} */ ([
      [0, filled(1, 32)],
      [1, "u-x"],
      [2, "ada"],
      [4, 1000],
    ]),
  );
  const { policy, answer } = await gatewayAnswer(encode([11, [value]]), `invitation/${"01".repeat(32)}`);
  const { invitation } = await checkInvitation(policy, ISSUER, filled(1, 32), answer);
  assert.equal(invitation.userName, "ada");
  await assert.rejects(checkInvitation(policy, ISSUER, filled(2, 32), answer));
});

test("a page takes no older anchor and no other history", () => {
  checkForward(undefined, ANCHOR);
  checkForward(ANCHOR, ANCHOR);
  checkForward(ANCHOR, { ...ANCHOR, size: 70001, root: filled(1, 32), timeMs: 6 });
  checkForward(ANCHOR, { ...ANCHOR, log: 2, size: 1 });
  for (const bad of [{ size: 69999 }, { root: filled(1, 32) }, { size: 70001, timeMs: 4 }, { log: 0, size: 70001 }]) {
    assert.throws(() => checkForward(ANCHOR, { ...ANCHOR, ...bad }), JSON.stringify(bad));
  }
});

test("public keys of new passkeys take the registry's form", async () => {
  const algorithms = /** @type {[number, any, number][]} */ ([
    [-7, { name: "ECDSA", namedCurve: "P-256" }, 0],
    [-8, { name: "Ed25519" }, 1],
    [
      -257,
      { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
      2,
    ],
  ]);
  for (const [algorithm, parameters, kind] of algorithms) {
    const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]));
    const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
    const [found, fields] = /** @type {[number, Bytes[]]} */ (await readPublicKey(algorithm, spki));
    assert.equal(found, kind);
    assert.deepEqual(
      fields.map((field) => field.length),
      kind === 0 ? [64] : kind === 1 ? [32] : [256, 3],
    );
    assert.deepEqual(decode(encode([found, fields])), [found, fields]);
    if (kind === 0) {
      const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
      assert.equal(hex(raw), `04${hex(/** @type {Bytes} */ (fields[0]))}`);
    }
    await assert.rejects(readPublicKey(algorithm === -7 ? -8 : -7, spki));
    await assert.rejects(readPublicKey(-37, spki));
  }
});

test("a scan finds all own leaves, newest first, and says how far it went", async () => {
  const size = 600;
  const subject = await Subject.of(1, filled(8, 32));
  const own = [0, 5, 255, 256, 511, 599];
  const leaves = await Promise.all(
    Array.from({ length: size }, async (_, index) => {
      const leaf = new Uint8Array(139);
      leaf.set([1, 5, 0, 0, 0, 0, 0, 0, index >> 8, index & 255]);
      leaf[106] = 65;
      if (own.includes(index)) leaf.set(await subject.tag(index), 107);
      else if (index % 2 === 0) leaf.set(filled(index & 255, 16), 107);
      return leaf;
    }),
  );
  const hashes = await Promise.all(leaves.map(leafHash));
  const { rootOf } = await import("../site/js/merkle.js");
  const root = await rootOf(hashes);
  const fetch = async (/** @type {string} */ path) => {
    const [, level, index = "", width = "256"] = /^tile\/(entries|\d)\/(\d{3})(?:\.p\/(\d+))?$/.exec(path) ?? [];
    const first = Number(index) * 256;
    if (level === "entries") {
      return concat(...leaves.slice(first, first + Number(width)).flatMap((leaf) => [Uint8Array.of(0, 139), leaf]));
    }
    if (level === "0") return concat(...hashes.slice(first, first + Number(width)));
    return concat(...(await Promise.all([0, 1].map((at) => rootOf(hashes.slice(at * 256, at * 256 + 256))))));
  };
  const scan = new Scan(new Tree({ size, root }, fetch), subject);
  /** @type {number[]} */
  const found = [];
  const further = async (/** @type {number} */ tiles) => {
    for await (const step of scan.further(tiles)) found.push(...step.map(({ index }) => index));
  };
  // What the caller could not deal with is not lost.
  await assert.rejects(async () => {
    for await (const _ of scan.further(10)) throw new Error("not now");
  });
  assert.deepEqual([scan.from, scan.backToMs], [600, undefined]);
  await further(1);
  assert.deepEqual(found, [599]);
  assert.deepEqual([scan.from, scan.isComplete, scan.backToMs, scan.upToMs], [512, false, 512, 599]);
  await further(10);
  assert.deepEqual(found, [...own].reverse());
  assert.deepEqual([scan.from, scan.isComplete, scan.backToMs], [0, true, 0]);
});

test("the gateway is where the token endpoint is", () => {
  assert.equal(gatewayUrl("https://gateway.example.org/token"), "https://gateway.example.org");
  assert.equal(gatewayUrl("https://gateway.example.org/tenant/token"), "https://gateway.example.org/tenant");
  assert.equal(gatewayUrl("http://localhost:8411/token"), "http://localhost:8411");
  for (const bad of [
    "http://gateway.example.org/token",
    "https://g/token?x",
    "https://u@g/token",
    "https://g/tokens",
    "https://g/token/",
  ]) {
    assert.throws(() => gatewayUrl(bad), bad);
  }
});
