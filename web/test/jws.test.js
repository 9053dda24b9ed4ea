import assert from "node:assert/strict";
import { test } from "node:test";

import { readHint, verifiedClaims } from "../site/js/jws.js";

const ISSUER = "https://id.example.org";

/** @param {unknown} value */
const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

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
