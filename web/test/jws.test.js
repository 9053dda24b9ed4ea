import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Malformed } from "../site/js/bytes.js";
import { readHint, verifiedClaims } from "../site/js/jws.js";

const ISSUER = "https://id.example.org";

/** @param {unknown} value */
const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** @param {Uint8Array} bytes */
const part64 = (bytes) => Buffer.from(bytes).toString("base64url");

/** @param {"ES256" | "EdDSA"} alg */
async function issuer(alg) {
  const generate = alg === "ES256" ? { name: "ECDSA", namedCurve: "P-256" } : { name: "Ed25519" };
  const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey(generate, true, ["sign", "verify"]));
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const key = { kty, crv, x, ...(y === undefined ? {} : { y }), kid: `k-${alg}`, alg, use: "sig" };
  const sign = alg === "ES256" ? { name: "ECDSA", hash: "SHA-256" } : { name: "Ed25519" };
  /** @param {unknown} header @param {unknown} claims */
  const token = async (header, claims) => {
    const input = `${part(header)}.${part(claims)}`;
    return `${input}.${Buffer.from(await crypto.subtle.sign(sign, pair.privateKey, Buffer.from(input))).toString("base64url")}`;
  };
  return { key, token, header: { alg, kid: `k-${alg}`, typ: "JWT" } };
}

const CLAIMS = { iss: ISSUER, sub: "u-x", aud: "web", sid: "s", exp: 1 };

for (const alg of /** @type {const} */ (["ES256", "EdDSA"])) {
  test(`${alg}: a hint of this issuer is read, whatever its age`, async () => {
    const { key, token, header } = await issuer(alg);
    const jwks = { keys: [key] };
    assert.deepEqual(await readHint(await token(header, CLAIMS), jwks, ISSUER), { sub: "u-x", aud: "web", sid: "s" });
    const { sid: _, ...without } = CLAIMS;
    assert.equal((await readHint(await token(header, without), jwks, ISSUER)).sid, undefined);
    for (const claims of [
      { ...CLAIMS, iss: "https://other" },
      { ...CLAIMS, aud: ["web"] },
      { iss: ISSUER, aud: "web" },
      [],
      "x",
    ]) {
      await assert.rejects(readHint(await token(header, claims), jwks, ISSUER), JSON.stringify(claims));
    }
  });

  test(`${alg}: altered tokens, headers and keys are refused`, async () => {
    const { key, token, header } = await issuer(alg);
    const jwks = { keys: [key] };
    const good = await token(header, CLAIMS);
    await verifiedClaims(good, jwks, "JWT");
    const [head = "", payload = "", signature = ""] = good.split(".");
    const refused = {
      "another type": [good, "at+jwt"],
      "claims altered": [`${head}.${part({ ...CLAIMS, sub: "u-y" })}.${signature}`],
      "signature cut short": [good.slice(0, -4)],
      "signature empty": [`${head}.${payload}.`],
      "two parts": [`${head}.${payload}`],
      "four parts": [`${good}.x`],
      padding: [`${good}==`],
      "alg none": [await token({ ...header, alg: "none" }, CLAIMS)],
      "alg of another family": [await token({ ...header, alg: "HS256" }, CLAIMS)],
      crit: [await token({ ...header, crit: ["x"] }, CLAIMS)],
      "no typ": [await token({ alg, kid: header.kid }, CLAIMS)],
      "unknown kid": [await token({ ...header, kid: "other" }, CLAIMS)],
      "no kid": [await token({ alg, typ: "JWT" }, CLAIMS)],
      "kid of another shape": [await token({ ...header, kid: [header.kid] }, CLAIMS)],
      "header is no object": [`${part("[]")}.${payload}.${signature}`],
      "header is no JSON": [`${part("{")}.${payload}.${signature}`],
      "too long": [`${good}${"A".repeat(16 * 1024)}`],
    };
    for (const [what, [text = "", type = "JWT"]] of Object.entries(refused)) {
      await assert.rejects(verifiedClaims(text, jwks, type), what);
    }
    const other = await issuer(alg);
    await assert.rejects(
      verifiedClaims(good, { keys: [{ ...other.key, kid: key.kid }] }, "JWT"),
      "another key of this kid",
    );
    await assert.rejects(
      verifiedClaims(good, { keys: [key, { ...other.key, kid: key.kid }] }, "JWT"),
      "two keys of one kid",
    );
    await assert.rejects(verifiedClaims(good, { keys: [{ ...key, alg: alg === "ES256" ? "EdDSA" : "ES256" }] }, "JWT"));
    for (const bad of [null, {}, [], { keys: "x" }, { keys: [] }, { keys: [1] }]) {
      await assert.rejects(verifiedClaims(good, bad, "JWT"), JSON.stringify(bad));
    }
    // A header that brings its own key changes nothing: the key is looked up by its kid.
    assert.equal(
      (await verifiedClaims(await token({ ...header, jwk: other.key, jku: "https://x" }, CLAIMS), jwks, "JWT")).sub,
      "u-x",
    );
  });
}

/**
 * The same token under every other name of an algorithm, with its signature and without.
 * @param {Awaited<ReturnType<typeof issuer>>} own
 */
async function confused(own) {
  const [, payload = "", signature = ""] = (await own.token(own.header, CLAIMS)).split(".");
  return ["ES256", "EdDSA", "none", "None", "HS256", "RS256", "PS256", "ES384", "", null, ["ES256"]]
    .filter((alg) => alg !== own.key.alg)
    .flatMap((alg) => ["", signature].map((end) => `${part({ ...own.header, alg })}.${payload}.${end}`));
}

test("a token that names another algorithm than its issuer's key is refused, whatever keys there are", async () => {
  const both = [await issuer("ES256"), await issuer("EdDSA")];
  for (const own of both) {
    const keys = both.map(({ key }) => key);
    await verifiedClaims(await own.token(own.header, CLAIMS), { keys }, "JWT");
    for (const text of await confused(own)) {
      await assert.rejects(verifiedClaims(text, { keys: [own.key] }, "JWT"), Malformed, text);
      await assert.rejects(verifiedClaims(text, { keys }, "JWT"), Malformed, text);
    }
    const other = both.find((one) => one !== own);
    assert.ok(other);
    const theirs = await other.token(other.header, CLAIMS);
    await assert.rejects(verifiedClaims(theirs, { keys: [own.key] }, "JWT"), Malformed);
  }
});

test("a symmetric key in the set verifies nothing", async () => {
  const { key, header } = await issuer("ES256");
  const secret = Buffer.from(JSON.stringify(key));
  const hmac = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const input = `${part({ ...header, alg: "HS256" })}.${part(CLAIMS)}`;
  const mac = Buffer.from(await crypto.subtle.sign("HMAC", hmac, Buffer.from(input))).toString("base64url");
  const oct = { kty: "oct", k: secret.toString("base64url"), kid: header.kid, alg: "HS256" };
  for (const keys of [[key], [oct], [{ ...key, alg: "HS256" }]]) {
    await assert.rejects(verifiedClaims(`${input}.${mac}`, { keys }, "JWT"), Malformed);
  }
});

test("a key that is no point of P-256, or is spelled otherwise, is refused", async () => {
  const { key, token, header } = await issuer("ES256");
  const good = await token(header, CLAIMS);
  const { x, y } = /** @type {{ x: string, y: string }} */ (key);
  const flipped = (/** @type {string} */ text) => {
    const bytes = Buffer.from(text, "base64url");
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    return bytes.toString("base64url");
  };
  for (const wrong of [
    { x: flipped(x) },
    { y: flipped(y) },
    { x: y, y: x },
    { x: part("\0".repeat(32)), y: part("\0".repeat(32)) },
    { x: `${x}=` },
    { x: x.slice(0, -2) },
    { y: "" },
    { y: undefined },
    { kty: "OKP" },
    { crv: "P-384" },
  ]) {
    await assert.rejects(
      verifiedClaims(good, { keys: [{ ...key, ...wrong }] }, "JWT"),
      Malformed,
      JSON.stringify(wrong),
    );
  }
});

test("RFC 7515 appendix A.3: a signature of the example's key verifies as r ‖ s, and not in ASN.1", async () => {
  const [x, y] = ["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"];
  const d = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const own = await crypto.subtle.importKey("jwk", { kty: "EC", crv: "P-256", x, y, d }, curve, false, ["sign"]);
  const key = { kty: "EC", crv: "P-256", x, y, alg: "ES256", kid: "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U" };
  const input = `${part({ alg: "ES256", kid: key.kid, typ: "JWT" })}.${part(CLAIMS)}`;
  const fixed = Buffer.from(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, own, Buffer.from(input)));
  const integer = (/** @type {Buffer} */ half) => {
    const start = half.findIndex((byte) => byte !== 0);
    const bytes = Buffer.concat([Buffer.alloc((half[start] ?? 0) >> 7), half.subarray(start)]);
    return Buffer.concat([Buffer.of(2, bytes.length), bytes]);
  };
  const body = Buffer.concat([integer(fixed.subarray(0, 32)), integer(fixed.subarray(32))]);
  const asn1 = Buffer.concat([Buffer.of(0x30, body.length), body]);
  assert.equal((await verifiedClaims(`${input}.${part64(fixed)}`, { keys: [key] }, "JWT")).sub, CLAIMS.sub);
  await assert.rejects(verifiedClaims(`${input}.${part64(asn1)}`, { keys: [key] }, "JWT"), Malformed);
});

test("tokens are judged as the custodians' own code judges them", async () => {
  const vectors = new URL("../../vectors/token-alg.json", import.meta.url);
  /** @type {{ tokens: { name: string, jwk: object, token: string, refusal?: string }[] }} */
  const { tokens } = JSON.parse(await readFile(vectors, "utf8"));
  assert.ok(tokens.some(({ refusal }) => refusal === undefined) && tokens.length > 10);
  for (const { name, jwk, token, refusal } of tokens) {
    const verified = verifiedClaims(token, { keys: [jwk] }, "at+jwt");
    if (refusal === undefined) assert.equal((await verified).iss, "https://issuer.example", name);
    else await assert.rejects(verified, Malformed, name);
  }
});
