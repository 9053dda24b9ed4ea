// Authorization requests as a table: parameters and the client's record in, outcome out.

import assert from "node:assert/strict";
import { test } from "node:test";

import { judgeRequest, namedClient, onlyFor, readParameters } from "../site/js/request.js";
import { whyTap } from "../site/js/silent.js";

/** @typedef {import("../site/js/record.js").Client} Client */
/** @typedef {import("../site/js/request.js").Request} Request */

const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const PASSKEY = "urn:quorate:passkey";
const SESSION = "urn:quorate:session";
const SUB = "u-aaaaaaaaaaaaaaaaaaaaaaaaaa";

/** @type {Client} */
const CLIENT = {
  clientId: "web",
  name: "An app",
  isNative: false,
  redirectUris: ["https://app.example.org/cb", "org.example.app:/cb", "javascript:alert(1)", "http://127.0.0.1/cb"],
  postLogoutRedirectUris: [],
  scope: ["email", "groups", "openid", "profile"],
  resources: ["https://api.example.org"],
  hasSecret: false,
  pkceOptional: false,
  silent: true,
  idTokenClaims: [],
  accessTokenClaims: [],
  suspended: false,
};

/** @type {Record<string, string>} */
const GOOD = {
  client_id: "web",
  redirect_uri: "https://app.example.org/cb",
  response_type: "code",
  scope: "openid",
  code_challenge: CHALLENGE,
  code_challenge_method: "S256",
  state: "s",
};

/**
 * @param {Record<string, string | undefined> | string} change
 * @param {Partial<Client>} [client]
 */
function judge(change, client = {}) {
  const search = new URLSearchParams();
  if (typeof change !== "string") {
    for (const [name, value] of Object.entries({ ...GOOD, ...change }))
      if (value !== undefined) search.append(name, value);
  }
  const query =
    typeof change === "string" ? new URLSearchParams(new URLSearchParams(GOOD).toString() + change) : search;
  return judgeRequest(readParameters(query), { ...CLIENT, ...client });
}

/**
 * @param {Record<string, string | undefined> | string} change
 * @param {Partial<Client>} [client]
 * @returns {Request}
 */
function accepted(change, client) {
  const outcome = judge(change, client);
  assert.equal(outcome.kind, "ask", JSON.stringify([change, outcome]));
  return /** @type {any} */ (outcome).request;
}

test("a good request is read", () => {
  const request = accepted({
    scope: "profile  openid email offline_access openid admin",
    nonce: "n",
    resource: "https://api.example.org",
    dpop_jkt: CHALLENGE,
    max_age: "0",
    prompt: "login consent",
    login_hint: "ada",
    acr_values: `urn:other ${SESSION} ${PASSKEY} ${SESSION}`,
    response_mode: "form_post",
    claims: JSON.stringify({
      id_token: { name: null, email: { essential: true }, quota: null, acr: null },
      userinfo: { groups: null, sub: { value: SUB } },
      other: {},
    }),
    unknown: "ignored",
    ui_locales: "de",
  });
  assert.deepEqual(request.asked, {
    clientId: "web",
    redirectUri: "https://app.example.org/cb",
    scope: ["email", "openid", "profile"],
    acr: [SESSION, PASSKEY],
    claims: { id_token: ["email", "name"], userinfo: ["groups"] },
    codeChallenge: CHALLENGE,
    nonce: "n",
    resource: "https://api.example.org",
    dpopJkt: CHALLENGE,
    maxAge: 0,
    sub: SUB,
  });
  assert.deepEqual(request.returnTo, { redirectUri: "https://app.example.org/cb", mode: "form_post", state: "s" });
  assert.deepEqual([...request.prompt], ["login", "consent"]);
  assert.equal(request.loginHint, "ada");
});

test("the least request is read", () => {
  const request = accepted({ state: undefined, nonce: "", prompt: "" });
  assert.deepEqual(request.asked, {
    clientId: "web",
    redirectUri: "https://app.example.org/cb",
    scope: ["openid"],
    acr: [],
    claims: { id_token: [], userinfo: [] },
    codeChallenge: CHALLENGE,
  });
  assert.equal(request.returnTo.state, undefined);
  assert.equal(request.returnTo.mode, "query");
});

test("nothing is sent anywhere when client or redirect URI are not sure", () => {
  const cases = /** @type {[any, Partial<Client>, string][]} */ ([
    [{ redirect_uri: undefined }, {}, "redirect_uri_missing"],
    ["&redirect_uri=https://app.example.org/cb", {}, "redirect_uri_missing"],
    [{ redirect_uri: "https://app.example.org/cb/" }, {}, "redirect_uri_unregistered"],
    [{ redirect_uri: "https://app.example.org/cb?x=1" }, {}, "redirect_uri_unregistered"],
    [{ redirect_uri: "https://evil.example.org/cb" }, {}, "redirect_uri_unregistered"],
    [{ redirect_uri: "javascript:alert(1)" }, {}, "redirect_uri_forbidden"],
    [{}, { suspended: true }, "client_suspended"],
    [{ redirect_uri: "https://evil.example.org/cb" }, { suspended: true }, "client_suspended"],
  ]);
  for (const [change, client, reason] of cases) assert.deepEqual(judge(change, client), { kind: "stop", reason });
  const named = (/** @type {string} */ query) => namedClient(readParameters(new URLSearchParams(query)));
  assert.deepEqual(named("client_id=web"), { clientId: "web" });
  assert.deepEqual(named(""), { reason: "client_id_missing" });
  assert.deepEqual(named("client_id="), { reason: "client_id_missing" });
  assert.deepEqual(named("client_id=web&client_id=web"), { reason: "client_id_missing" });
  for (const bad of ["..", ".", "a/b", "a%20b", "%00", "x".repeat(65), "ä", "a?b", "a%23"]) {
    assert.deepEqual(named(`client_id=${bad}`), { reason: "client_id_malformed" }, bad);
  }
});

test("every other error goes to the client, as the RFCs name it", () => {
  const cases = /** @type {[any, string, Partial<Client>?][]} */ ([
    [{ response_type: undefined }, "invalid_request"],
    [{ response_type: "token" }, "unsupported_response_type"],
    [{ response_type: "code id_token" }, "unsupported_response_type"],
    [{ response_mode: "fragment" }, "invalid_request"],
    [{ request: "x" }, "request_not_supported"],
    [{ request_uri: "https://app.example.org/r" }, "request_uri_not_supported"],
    [{ registration: "{}" }, "registration_not_supported"],
    ["&state=t", "invalid_request"],
    ["&scope=email", "invalid_request"],
    ["&unknown=1&unknown=2", "invalid_request"],
    ["&nonce=&nonce=", "invalid_request"],
    [{ scope: undefined }, "invalid_scope"],
    [{ scope: "offline_access" }, "invalid_scope"],
    [{ scope: "admin" }, "invalid_scope"],
    [{ scope: 'openid "' }, "invalid_scope"],
    [{ scope: "openid\u00e4" }, "invalid_scope"],
    [{ code_challenge: undefined, code_challenge_method: undefined }, "invalid_request"],
    [{ code_challenge: undefined, code_challenge_method: undefined }, "invalid_request", { pkceOptional: true }],
    [{ code_challenge: undefined }, "invalid_request", { pkceOptional: true, hasSecret: true }],
    [{ code_challenge_method: undefined }, "invalid_request"],
    [{ code_challenge_method: "plain" }, "invalid_request"],
    [{ code_challenge_method: "s256" }, "invalid_request"],
    [{ code_challenge: CHALLENGE.slice(1) }, "invalid_request"],
    [{ code_challenge: `${CHALLENGE}A` }, "invalid_request"],
    [{ code_challenge: `${CHALLENGE.slice(0, -1)}N` }, "invalid_request"],
    [{ nonce: "x".repeat(513) }, "invalid_request"],
    [{ nonce: "ä".repeat(257) }, "invalid_request"],
    [{ resource: "https://other.example.org" }, "invalid_target"],
    [{ dpop_jkt: "short" }, "invalid_request"],
    [{ max_age: "-1" }, "invalid_request"],
    [{ max_age: "1.5" }, "invalid_request"],
    [{ max_age: "01" }, "invalid_request"],
    [{ prompt: "none login" }, "invalid_request"],
    [{ prompt: "create" }, "invalid_request"],
    [{ claims: "x" }, "invalid_request"],
    [{ claims: "[]" }, "invalid_request"],
    [{ claims: '{"id_token":[]}' }, "invalid_request"],
    [{ claims: '{"id_token":{"sub":"u-x"}}' }, "invalid_request"],
    [{ claims: '{"id_token":{"sub":{"value":1}}}' }, "invalid_request"],
    [{ claims: '{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}' }, "invalid_request"],
    [{ claims: '{"id_token":{"acr":{"essential":true,"values":["urn:other"]}}}' }, "unmet_authentication_requirements"],
    [{ redirect_uri: "org.example.app:/cb", response_mode: "form_post" }, "invalid_request"],
  ]);
  for (const [change, error, client] of cases) {
    const outcome = judge(change, client);
    assert.equal(outcome.kind, "return", JSON.stringify([change, outcome]));
    if (outcome.kind !== "return") continue;
    assert.equal(outcome.error.error, error, JSON.stringify(change));
    assert.match(outcome.error.description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
    const isStateTwice = change === "&state=t";
    assert.equal(outcome.returnTo.state, isStateTwice ? undefined : "s");
  }
});

test("errors go where the response mode says, if it can be met", () => {
  const modeOf = (/** @type {any} */ change) => /** @type {any} */ (judge(change)).returnTo.mode;
  assert.equal(modeOf({ response_mode: "form_post", scope: "x" }), "form_post");
  assert.equal(modeOf({ response_mode: "fragment" }), "query");
  assert.equal(modeOf({ redirect_uri: "org.example.app:/cb", response_mode: "form_post" }), "query");
  assert.equal(modeOf("&response_mode=form_post&response_mode=form_post"), "query");
});

test("confidential clients may do without PKCE where their record says so, and loopback ports of native ones may differ", () => {
  const none = { code_challenge: undefined, code_challenge_method: undefined };
  assert.equal(accepted(none, { pkceOptional: true, hasSecret: true }).asked.codeChallenge, undefined);
  assert.equal(accepted({ redirect_uri: "http://127.0.0.1:9/cb" }, { isNative: true }).asked.redirectUri, "http://127.0.0.1:9/cb");
  assert.equal(accepted({ redirect_uri: "org.example.app:/cb" }).returnTo.mode, "query");
});

test("wishes and demands for a class", () => {
  const acr = (/** @type {any} */ change) => accepted(change).asked.acr;
  assert.deepEqual(acr({ acr_values: "urn:other 0 1" }), []);
  assert.deepEqual(acr({ claims: `{"id_token":{"acr":{"values":["x","${PASSKEY}"]}}}` }), [PASSKEY]);
  assert.deepEqual(
    acr({ acr_values: SESSION, claims: `{"id_token":{"acr":{"essential":true,"value":"${PASSKEY}"}}}` }),
    [PASSKEY],
  );
  assert.deepEqual(acr({ acr_values: SESSION, claims: `{"id_token":{"acr":{"essential":true}}}` }), [SESSION]);
});

test("a hint and claims name one subject or none", () => {
  assert.equal(onlyFor(accepted({}), SUB).asked.sub, SUB);
  const request = accepted({ claims: `{"id_token":{"sub":{"value":"${SUB}"}}}` });
  assert.equal(onlyFor(request, SUB).asked.sub, SUB);
  assert.throws(() => onlyFor(request, "u-other"), /invalid_request/);
});

test("when a session key may answer", () => {
  const now = 1_000_000;
  const at = (/** @type {number} */ age) => ({ authTimeS: now - age });
  const cases = /** @type {[any, any, any, string | undefined][]} */ ([
    [{}, {}, at(10), undefined],
    [{}, {}, at(-10), undefined],
    [{ prompt: "none" }, {}, at(10), undefined],
    [{}, { silent: false }, at(10), "interaction_required"],
    [{}, {}, undefined, "login_required"],
    [{ prompt: "login" }, {}, at(10), "login_required"],
    [{ prompt: "consent" }, {}, at(10), "login_required"],
    [{ prompt: "select_account" }, {}, at(10), "login_required"],
    [{ max_age: "0" }, {}, at(0), "login_required"],
    [{ max_age: "100" }, {}, at(60), undefined],
    [{ max_age: "100" }, {}, at(80), "login_required"],
    [{}, {}, at(8 * 3600), "login_required"],
    [{}, {}, at(8 * 3600 - 60), undefined],
    [{ acr_values: PASSKEY }, {}, at(10), "login_required"],
    [{ acr_values: `${PASSKEY} ${SESSION}` }, {}, at(10), "login_required"],
    [{ acr_values: `${SESSION} ${PASSKEY}` }, {}, at(10), undefined],
    [{ acr_values: SESSION }, {}, at(10), undefined],
  ]);
  for (const [change, client, session, expected] of cases) {
    assert.equal(
      whyTap(accepted(change), { ...CLIENT, ...client }, session, now),
      expected,
      JSON.stringify([change, client]),
    );
  }
});
