// Stock relying parties against the running system, each as its makers wrote it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oidc from "openid-client";

import { appOfTests } from "./app.js";
import { claimsOf, userinfo } from "./gateway.js";
import { EVERYTHING, RelyingParty } from "./relying_party.js";
import { GATEWAY, ISSUER, addClient, freshName } from "./system.js";
import { check } from "./window.js";

/** @typedef {import("./system.js").Person} Person */
/** @typedef {import("./window.js").Window} Window */

const app = appOfTests();
/** An audience besides the issuer. */
const API = "https://api.example.org/v1";

/** @param {Person} person */
function claimsOfPerson({ sub, preferred_username, name, email, email_verified, groups }) {
  return { sub, preferred_username, name, email, email_verified, groups };
}

/**
 * Userinfo in all the ways of RFC 6750, each with the same answer.
 * @param {string} accessToken
 * @param {Record<string, unknown>} expected
 */
async function checkUserinfo(accessToken, expected) {
  const bearer = { authorization: `Bearer ${accessToken}` };
  /** @type {[string, RequestInit][]} */
  const ways = [
    ["GET", { headers: bearer }],
    ["POST with a header", { method: "POST", headers: bearer }],
    ["POST of a form", { method: "POST", body: new URLSearchParams({ access_token: accessToken }) }],
  ];
  for (const [way, init] of ways) {
    const response = await fetch(`${GATEWAY}/userinfo`, init);
    assert.equal(response.status, 200, way);
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/, way);
    assert.deepEqual(await response.json(), expected, way);
  }
  const inUrl = await fetch(`${GATEWAY}/userinfo?access_token=${accessToken}`);
  assert.equal(inUrl.status, 401, "a token in the URL is none");
  const twice = await fetch(`${GATEWAY}/userinfo`, {
    method: "POST",
    headers: bearer,
    body: new URLSearchParams({ access_token: accessToken }),
  });
  assert.equal(twice.status, 400, "a token is presented once");
}

/**
 * The browser goes to the issuer to sign out, and comes back to where the relying party says.
 * @param {Window} window
 * @param {RelyingParty} party
 * @param {string} idToken
 */
async function checkSignOut(window, party, idToken) {
  const url = oidc.buildEndSessionUrl(party.config, {
    id_token_hint: idToken,
    post_logout_redirect_uri: app.bye,
    state: "after sign-out",
  });
  const arrival = await window.arrivalAfter(app, url);
  assert.equal(arrival.url.pathname, "/bye");
  assert.deepEqual(Object.fromEntries(arrival.parameters), { state: "after sign-out" });
}

for (const method of /** @type {const} */ ([
  "none",
  "private_key_jwt",
  "client_secret_basic",
  "client_secret_post",
])) {
  check(`openid-client with ${method}`, async (window) => {
    const person = await window.enrol("stock");
    const party = await RelyingParty.register(app, method, "--resource", API);
    const begun = await party.begin();
    const { url, parameters } = await window.arrivalByTap(app, begun.url);
    assert.equal(parameters.get("iss"), ISSUER);
    // The library refuses what answers another request, or another issuer's (RFC 9207).
    for (const [name, value] of [["iss", "https://other.example"], ["state", "another"]]) {
      const other = new URL(url);
      other.searchParams.set(name, value);
      await assert.rejects(party.redeem(other, begun), name);
    }
    const tokens = await party.redeem(url, begun);
    const claims = tokens.claims();
    assert.ok(claims);
    assert.deepEqual([claims.iss, claims.aud, claims.nonce], [ISSUER, party.id, begun.expectedNonce]);
    assert.equal(claims.sub, person.sub);
    assert.equal(tokens.scope, "email groups openid profile");
    const info = await oidc.fetchUserInfo(party.config, tokens.access_token, claims.sub);
    assert.deepEqual(info, claimsOfPerson(person));
    await checkUserinfo(tokens.access_token, claimsOfPerson(person));
    await checkSignOut(window, party, tokens.id_token ?? "");
  });
}

check("another nonce than the one that was sent is no sign-in", async (window) => {
  await window.enrol("nonce");
  const party = await RelyingParty.register(app, "none");
  const begun = await party.begin();
  const { url } = await window.arrivalByTap(app, begun.url);
  await assert.rejects(
    party.redeem(url, { ...begun, expectedNonce: "another" }),
    (/** @type {any} */ error) => error.cause?.cause?.claim === "nonce" || error.cause?.claim === "nonce",
  );
});

check("userinfo tells what the scope names", async (window) => {
  const person = await window.enrol("scopes");
  const all = claimsOfPerson(person);
  const party = await RelyingParty.register(app, "none", "--silent");
  const names = new Map([
    ["openid", ["sub"]],
    ["openid profile", ["sub", "preferred_username", "name"]],
    ["email openid", ["sub", "email", "email_verified"]],
    ["groups openid", ["sub", "groups"]],
  ]);
  for (const [scope, members] of names) {
    const { access_token: accessToken, scope: granted } = await party.signIn(window, { scope });
    assert.equal(granted, scope);
    await checkUserinfo(accessToken, Object.fromEntries(Object.entries(all).filter(([name]) => members.includes(name))));
  }
});

check("`claims` puts a claim into the ID token, and into userinfo", async (window) => {
  const person = await window.enrol("claims");
  const party = await RelyingParty.register(app, "none");
  const plain = await party.signIn(window, { scope: "openid" });
  assert.equal(plain.claims()?.email, undefined);
  const asked = await party.signIn(window, {
    scope: EVERYTHING,
    claims: JSON.stringify({ id_token: { email: null, groups: { essential: true }, unheard_of: null } }),
  });
  assert.equal(asked.claims()?.email, person.email);
  assert.deepEqual(asked.claims()?.groups, person.groups);
  assert.equal(asked.claims()?.preferred_username, undefined);
  const shown = await party.signIn(window, { scope: "openid", claims: JSON.stringify({ userinfo: { email: null } }) });
  assert.equal((await userinfo(shown.access_token)).body.email, person.email);
});

check("a record's own claims stand in every ID token", async (window) => {
  const person = await window.enrol("hydrated");
  const party = await RelyingParty.register(app, "none", "--id-token-claim", "groups", "--id-token-claim", "email");
  const claims = (await party.signIn(window)).claims();
  assert.deepEqual([claims?.email, claims?.groups, claims?.name], [person.email, person.groups, undefined]);
});

check("`resource` gives a token for that audience, which userinfo does not take", async (window) => {
  const person = await window.enrol("resource");
  const party = await RelyingParty.register(app, "private_key_jwt", "--resource", API, "--access-token-claim", "groups");
  const tokens = await party.signIn(window, { resource: API });
  const keys = createRemoteJWKSet(new URL(party.config.serverMetadata().jwks_uri ?? ""));
  const { payload } = await jwtVerify(tokens.access_token, keys, { issuer: ISSUER, audience: API, typ: "at+jwt" });
  assert.deepEqual([payload.sub, payload.client_id, payload.groups], [person.sub, party.id, person.groups]);
  const { status, challenge } = await userinfo(tokens.access_token);
  assert.equal(status, 401);
  assert.match(challenge, /^Bearer error="invalid_token"/);
  // An audience that is not registered is told to the client (RFC 8707 §2).
  const begun = await party.begin({ resource: "https://other.example" });
  assert.equal((await window.arrivalAfter(app, begun.url)).parameters.get("error"), "invalid_target");
});

check("openid-client with DPoP: the token is of use to the holder of the key alone", async (window) => {
  const person = await window.enrol("dpop");
  const party = await RelyingParty.register(app, "client_secret_basic");
  const DPoP = oidc.getDPoPHandle(party.config, await oidc.randomDPoPKeyPair("ES256"));
  const begun = await party.begin({ dpop_jkt: await DPoP.calculateThumbprint() });
  const { url } = await window.arrivalByTap(app, begun.url);
  const checks = { ...begun, idTokenExpected: true };
  // Without a proof, or with one of another key, the code is worth nothing (RFC 9449 §10).
  await assert.rejects(oidc.authorizationCodeGrant(party.config, url, checks));
  const other = oidc.getDPoPHandle(party.config, await oidc.randomDPoPKeyPair("ES256"));
  await assert.rejects(oidc.authorizationCodeGrant(party.config, url, checks, undefined, { DPoP: other }));
  const tokens = await oidc.authorizationCodeGrant(party.config, url, checks, undefined, { DPoP });
  assert.equal(tokens.token_type, "dpop");
  const info = await oidc.fetchUserInfo(party.config, tokens.access_token, person.sub, { DPoP });
  assert.deepEqual(info, claimsOfPerson(person));
  await assert.rejects(oidc.fetchUserInfo(party.config, tokens.access_token, person.sub, { DPoP: other }));
  assert.equal((await userinfo(tokens.access_token)).status, 401, "as a bearer token");
});

check("oidc-client-ts, in a page of its own origin", async (window) => {
  const person = await window.enrol("spa");
  const id = freshName("spa");
  const callback = `${app.origin}/spa.html`;
  await addClient(id, "spa", [callback], "--scope", EVERYTHING, "--post-logout-redirect-uri", callback);
  const library = new URL("../browser/oidc-client-ts.min.js", pathToFileURL(createRequire(import.meta.url).resolve("oidc-client-ts")));
  app.files.set("/oidc-client-ts.js", { type: "text/javascript", body: await readFile(library) });
  const settings = {
    authority: ISSUER,
    client_id: id,
    redirect_uri: callback,
    post_logout_redirect_uri: callback,
    scope: EVERYTHING,
    loadUserInfo: true,
  };
  app.files.set("/spa.html", {
    type: "text/html",
    body: `<!doctype html><html lang="en"><title>An app in the browser</title><main><h1>App</h1></main>
      <script src="/oidc-client-ts.js"></script><script>
        const store = new oidc.WebStorageStateStore({ store: localStorage });
        var manager = new oidc.UserManager({ ...${JSON.stringify(settings)}, userStore: store });
      </script>`,
  });
  const { page } = window;
  await page.goto(callback);
  await window.touch(true);
  const signingIn = page.waitForURL(`${callback}?*`);
  await page.evaluate("void manager.signinRedirect({ state: { cart: 7 } })");
  await signingIn;
  await window.touch(false);
  const returned = await page.evaluate("manager.signinCallback()");
  assert.deepEqual(returned.state, { cart: 7 });
  const user = await page.evaluate("manager.getUser()");
  assert.equal(user.profile.sub, person.sub);
  for (const [name, value] of Object.entries(claimsOfPerson(person))) assert.deepEqual(user.profile[name], value, name);
  await checkUserinfo(user.access_token, claimsOfPerson(person));
  const signingOut = page.waitForURL((url) => url.href.startsWith(callback) && !url.searchParams.has("code"));
  await page.evaluate("void manager.signoutRedirect({ state: 'bye' })");
  await signingOut;
  await page.evaluate("manager.signoutCallback()");
  assert.equal(await page.evaluate("manager.getUser()"), null);
});

const python = process.env.AUTHLIB_PYTHON;
const authlib = python === undefined || python === "" ? test.skip : check;
for (const method of /** @type {const} */ (["client_secret_basic", "client_secret_post", "none"])) {
  authlib(`Authlib with ${method}`, async (/** @type {Window} */ window) => {
    const person = await window.enrol("authlib");
    const { id, secret = "" } = await RelyingParty.register(app, method);
    const script = new URL("authlib_client.py", import.meta.url).pathname;
    const client = spawn(String(python), [script, ISSUER, id, method, app.redirectUri, EVERYTHING], {
      env: { ...process.env, CLIENT_SECRET: secret },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
    try {
      const begun = JSON.parse((await lines.next()).value ?? "{}");
      const { url } = await window.arrivalByTap(app, begun.authorization_url);
      client.stdin.write(`${url}\n`);
      const told = JSON.parse((await lines.next()).value ?? "{}");
      assert.equal(told.id_token.sub, person.sub);
      assert.equal(told.id_token.nonce, new URL(begun.authorization_url).searchParams.get("nonce"));
      assert.deepEqual(told.userinfo, claimsOfPerson(person));
      assert.equal(claimsOf(told.access_token).client_id, id);
      client.stdin.end();
      assert.deepEqual(await once(client, "exit"), [0, null]);
    } finally {
      client.kill();
    }
  });
}
