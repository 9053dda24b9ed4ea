// Codes, each good for one redemption by the client that it was made for.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";

import { SignJWT, importJWK } from "jose";

import { appOfTests } from "./app.js";
import { claimsOf, token, tokensAtOnce, userinfo } from "./gateway.js";
import { RelyingParty } from "./relying_party.js";
import { DATA_DIR, ISSUER, withoutQuorum } from "./system.js";
import { check } from "./window.js";

const app = appOfTests();
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/**
 * What a client of this secret sends in its header.
 * @param {string} id
 * @param {string} secret
 */
const basic = (id, secret) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` });

/** @param {Record<string, string>} form */
function without({ ...form }, /** @type {string[]} */ ...names) {
  for (const name of names) delete form[name];
  return form;
}

check("a code that comes back stops the tokens that it gave", async (window) => {
  await window.enrol("twice");
  const party = await RelyingParty.register(app, "none");
  const form = await party.code(window);
  const first = await token(form);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.equal((await userinfo(first.body.access_token)).status, 200);
  const second = await token(form);
  assert.deepEqual([second.status, second.body.error], [400, "invalid_grant"]);
  assert.equal(second.body.access_token, undefined);
  const { status, challenge, body } = await userinfo(first.body.access_token);
  assert.deepEqual([status, body.error], [401, "invalid_token"]);
  assert.match(challenge, /error_description="revoked"/);
  // A third time changes nothing.
  assert.equal((await token(form)).body.error, "invalid_grant");
});

check("of 64 redemptions at once one succeeds, and its token works", async (window) => {
  await window.enrol("parallel");
  const party = await RelyingParty.register(app, "none");
  const form = await party.code(window);
  // Nobody signs until all others were answered: however busy the machine is, they come while the first one is under way.
  const answers = await withoutQuorum(async (resume) => {
    let waiting = 64;
    const asked = await tokensAtOnce(form, waiting);
    const counted = asked.map(async (answer) => {
      const told = await answer;
      waiting -= 1;
      if (waiting === 1) resume();
      return told;
    });
    return Promise.all(counted);
  });
  const [won, ...others] = answers.filter(({ status }) => status === 200);
  assert.ok(won !== undefined && others.length === 0, JSON.stringify(answers));
  for (const { status, body } of answers.filter((answer) => answer !== won))
    assert.deepEqual([status, body.error], [400, "invalid_grant"]);
  const { status, body } = await userinfo(won.body.access_token);
  assert.equal(status, 200, JSON.stringify(body));
});

check("a code is for one verifier, one client and one address, and a wrong try costs nothing", async (window) => {
  await window.enrol("bound");
  const party = await RelyingParty.register(app, "none");
  const other = await RelyingParty.register(app, "none");
  const form = await party.code(window);
  /** @type {[string, Record<string, string>, string][]} */
  const wrong = [
    ["wrong verifier", { ...form, code_verifier: "x".repeat(43) }, "invalid_grant"],
    ["missing verifier", without(form, "code_verifier"), "invalid_grant"],
    ["another client", { ...form, client_id: other.id }, "invalid_grant"],
    ["no client", without(form, "client_id"), "invalid_client"],
    ["another address", { ...form, redirect_uri: `${app.origin}/other` }, "invalid_grant"],
    ["no address", without(form, "redirect_uri"), "invalid_grant"],
    ["another code", { ...form, code: "A".repeat(43) }, "invalid_grant"],
    ["no code", without(form, "code"), "invalid_request"],
    ["no base64url", { ...form, code: "?" }, "invalid_grant"],
    ["a resource that was not authorised", { ...form, resource: "https://other.example" }, "invalid_target"],
    ["a secret that the client does not have", { ...form, client_secret: "x".repeat(43) }, "invalid_client"],
  ];
  for (const [what, tried, error] of wrong) {
    const { status, body } = await token(tried);
    assert.deepEqual([status, body.error], [error === "invalid_client" ? 401 : 400, error], what);
  }
  const told = await token(form);
  assert.equal(told.status, 200, JSON.stringify(told.body));
  assert.equal((await userinfo(told.body.access_token)).status, 200);
});

check("a secret must be right, and the answer names the scheme that was tried", async (window) => {
  await window.enrol("secret");
  const party = await RelyingParty.register(app, "client_secret_basic");
  const other = await RelyingParty.register(app, "client_secret_basic");
  const form = without(await party.code(window), "client_id");
  const secret = party.secret ?? "";
  const flipped = (secret.startsWith("A") ? "B" : "A") + secret.slice(1);
  for (const wrong of [flipped, other.secret ?? "", "short", ""]) {
    const told = await token(form, basic(party.id, wrong));
    assert.deepEqual([told.status, told.body.error], [401, "invalid_client"], wrong);
    assert.match(told.headers.get("www-authenticate") ?? "", /^Basic realm=/);
  }
  const posted = await token({ ...form, client_id: party.id, client_secret: flipped });
  assert.deepEqual([posted.status, posted.body.error], [401, "invalid_client"]);
  const silent = await token({ ...form, client_id: party.id });
  assert.deepEqual([silent.status, silent.body.error], [401, "invalid_client"], "a client with a secret must show it");
  const both = await token({ ...form, client_id: party.id, client_secret: secret }, basic(party.id, secret));
  assert.deepEqual([both.status, both.body.error], [400, "invalid_request"], "one proof and no more");
  const stolen = await token(form, basic(other.id, other.secret ?? ""));
  assert.deepEqual([stolen.status, stolen.body.error], [400, "invalid_grant"], "another client's code");
  const told = await token(form, basic(party.id, secret));
  assert.equal(told.status, 200, JSON.stringify(told.body));
});

check("who has seen all that the custodians saw gets nothing with it", async (window) => {
  await window.enrol("replay");
  const party = await RelyingParty.register(app, "private_key_jwt");
  const form = await party.code(window);
  const jwk = JSON.parse(await readFile(`${DATA_DIR}/clients/${party.id}.jwk`, "utf8"));
  const key = await importJWK(jwk, jwk.alg);
  const assertion = () =>
    new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid })
      .setIssuer(party.id)
      .setSubject(party.id)
      .setAudience(ISSUER)
      .setIssuedAt()
      .setExpirationTime("60s")
      .sign(key);
  const evidence = { ...form, client_assertion_type: ASSERTION_TYPE, client_assertion: await assertion() };
  const first = await token(evidence);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const replayed = await token(evidence);
  assert.ok(["invalid_grant", "invalid_client"].includes(replayed.body.error), JSON.stringify(replayed.body));
  assert.equal(replayed.body.access_token, undefined);
  // Another assertion with the same code gets nothing either.
  const again = await token({ ...evidence, client_assertion: await assertion() });
  assert.deepEqual([again.status, again.body.error], [400, "invalid_grant"]);
  // The one who may, may still.
  const next = await party.code(window);
  const told = await token({ ...evidence, ...next, client_assertion: await assertion() });
  assert.equal(told.status, 200, JSON.stringify(told.body));
});

check("what the page handed over cannot be handed over again, changed or not", async (window) => {
  await window.enrol("evidence");
  const party = await RelyingParty.register(app, "none");
  /** @type {string[]} */
  const handed = [];
  window.page.on("request", (request) => {
    if (request.method() === "POST" && new URL(request.url()).pathname === "/grants") handed.push(request.postData() ?? "");
  });
  const form = await party.code(window);
  const [body = ""] = handed;
  assert.equal(handed.length, 1);
  const grants = `${party.config.serverMetadata().token_endpoint?.replace("/token", "/grants")}`;
  const post = (/** @type {string} */ text) => fetch(grants, { method: "POST", body: text, headers: { "content-type": "application/json" } });
  assert.equal((await post(body)).status, 409);
  const changed = JSON.parse(body);
  const grant = Buffer.from(changed.grant, "base64url");
  const at = grant.indexOf(party.id);
  assert.ok(at > 0, "the grant names its client");
  grant[at] ^= 1;
  const refused = await post(JSON.stringify({ ...changed, grant: grant.toString("base64url") }));
  assert.equal(refused.status, 403);
  const told = await token(form);
  assert.equal(told.status, 200);
  // Not after the code was redeemed either.
  assert.equal((await post(body)).status, 409);
  assert.equal(claimsOf(told.body.access_token).client_id, party.id);
});
