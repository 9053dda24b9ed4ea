// Relying parties that refuse EdDSA, or want to be told of any algorithm but RS256, against an issuer of ES256, each as its makers wrote
// it. Not among the tests that `run` takes by itself: they need an issuer of that algorithm. APACHE_PAGE is the protected page's address,
// ES256_PYTHON a Python with the packages of tests/es256/python, ES256_SCRIPTS that directory; what is empty is left out.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { Issuer, generators } from "openid-client-5";

import { appOfTests } from "./app.js";
import { ISSUER, addClient, freshName } from "./system.js";
import { check } from "./window.js";

/** @typedef {import("./window.js").Window} Window */

const app = appOfTests();
const SCOPE = "openid profile email";
const { APACHE_PAGE = "", ES256_PYTHON = "", ES256_SCRIPTS = "" } = process.env;

/**
 * Opens a page of another site, taps where the issuer asks, and waits until that page is there.
 * @param {Window} window
 * @param {string} url
 */
async function signInAt(window, url) {
  await window.touch(true);
  await window.visit(url);
  await window.page.waitForURL(url, { waitUntil: "load" });
  await window.touch(false);
  return window.page.innerText("body");
}

/**
 * A program of Python that talks in lines of JSON.
 * @param {string} script
 * @param {string[]} args
 * @param {Record<string, string>} environment
 */
function talk(script, args, environment = {}) {
  const child = spawn(ES256_PYTHON, [`${ES256_SCRIPTS}/${script}`, ...args], {
    env: { ...process.env, ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    /** @returns {Promise<any>} */
    hear: async () => JSON.parse((await lines.next()).value ?? "{}"),
    /** @param {string} line */
    say: (line) => child.stdin.write(`${line}\n`),
  };
}

const withApache = APACHE_PAGE === "" ? test.skip : check;
withApache("mod_auth_openidc: Apache's protected page names who signed in", async (/** @type {Window} */ window) => {
  const person = await window.enrol("apache");
  const text = await signInAt(window, APACHE_PAGE);
  assert.match(text, new RegExp(`REMOTE_USER is ${person.sub}`));
  assert.match(text, new RegExp(`preferred_username is ${person.preferred_username}`));
  console.log("ok mod_auth_openidc-sign-in");
});

const withPython = ES256_PYTHON === "" ? test.skip : check;
withPython("mozilla-django-oidc: Django's protected page names who signed in", async (/** @type {Window} */ window) => {
  const person = await window.enrol("django");
  const site = talk("django_site.py", [ISSUER, SCOPE]);
  try {
    const { origin } = await site.hear();
    const { client_id, client_secret } = await addClient(freshName("django"), "web", [`${origin}/oidc/callback/`], "--scope", SCOPE);
    site.say(JSON.stringify({ client_id, client_secret }));
    assert.deepEqual(await site.hear(), { ready: true });
    assert.match(await signInAt(window, `${origin}/protected`), new RegExp(`signed in: ${person.email}`));
    site.child.stdin.end();
    assert.deepEqual(await once(site.child, "exit"), [0, null]);
  } finally {
    site.child.kill();
  }
  console.log("ok mozilla-django-oidc-sign-in");
});

withPython("pyoidc", async (/** @type {Window} */ window) => {
  const person = await window.enrol("pyoidc");
  const { client_id, client_secret } = await addClient(freshName("pyoidc"), "web", [app.redirectUri], "--scope", SCOPE);
  const party = talk("pyoidc_party.py", [ISSUER, client_id, app.redirectUri, SCOPE], { CLIENT_SECRET: client_secret });
  try {
    const { url } = await window.arrivalByTap(app, (await party.hear()).authorization_url);
    party.say(url.href);
    const { id_token, alg, userinfo } = await party.hear();
    assert.deepEqual([alg, id_token.sub, userinfo.email], ["ES256", person.sub, person.email]);
    party.child.stdin.end();
    assert.deepEqual(await once(party.child, "exit"), [0, null]);
  } finally {
    party.child.kill();
  }
  console.log("ok pyoidc-sign-in");
});

check("openid-client 5 takes ES256 where it is told, and nothing but RS256 where it is not", async (window) => {
  const person = await window.enrol("openid-client-5");
  const { client_id, client_secret } = await addClient(freshName("openid-client-5"), "web", [app.redirectUri], "--scope", SCOPE);
  const issuer = await Issuer.discover(ISSUER);
  /** @param {Partial<import("openid-client-5").ClientMetadata>} told */
  const signIn = async (told) => {
    const client = new issuer.Client({ client_id, client_secret, redirect_uris: [app.redirectUri], response_types: ["code"], ...told });
    const checks = { code_verifier: generators.codeVerifier(), state: generators.state(), nonce: generators.nonce() };
    const url = client.authorizationUrl({
      scope: SCOPE,
      state: checks.state,
      nonce: checks.nonce,
      code_challenge: generators.codeChallenge(checks.code_verifier),
      code_challenge_method: "S256",
    });
    const arrival = await window.arrivalByTap(app, url);
    const tokens = await client.callback(app.redirectUri, client.callbackParams(arrival.url.href), checks);
    return { claims: tokens.claims(), userinfo: await client.userinfo(tokens) };
  };
  await assert.rejects(signIn({}), /unexpected JWT alg received, expected RS256, got: ES256/);
  const { claims, userinfo } = await signIn({ id_token_signed_response_alg: "ES256" });
  assert.deepEqual([claims.sub, userinfo.email], [person.sub, person.email]);
  console.log("ok openid-client-5-sign-in");
});
