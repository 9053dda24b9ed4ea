// Authorization requests as relying parties send them, well and badly formed, and sessions that answer without a tap.

import assert from "node:assert/strict";

import { appOfTests } from "./app.js";
import { claimsOf, token } from "./gateway.js";
import { RelyingParty } from "./relying_party.js";
import { GATEWAY, ISSUER, addClient, freshName } from "./system.js";
import { check } from "./window.js";

/** @typedef {import("./window.js").Window} Window */

const app = appOfTests();

/**
 * The answer to a request that nobody has to agree to: an error, or a code for a session.
 * @param {Window} window
 * @param {RelyingParty} party
 * @param {Record<string, string>} change
 */
async function answerTo(window, party, change) {
  const begun = await party.begin(change);
  const arrival = await window.arrivalAfter(app, begun.url);
  assert.equal(arrival.parameters.get("iss"), ISSUER, "every answer names its issuer (RFC 9207)");
  return { ...arrival, begun };
}

check("an answer can be posted as a form", async (window) => {
  const person = await window.enrol("post");
  const party = await RelyingParty.register(app, "client_secret_basic");
  const begun = await party.begin({ response_mode: "form_post" });
  const { method, url, parameters } = await window.arrivalByTap(app, begun.url);
  assert.deepEqual([method, url.search], ["POST", ""]);
  assert.deepEqual([parameters.get("state"), parameters.get("iss")], [begun.expectedState, ISSUER]);
  const callback = new URL(`${app.redirectUri}?${parameters}`);
  assert.equal((await party.redeem(callback, begun)).claims()?.sub, person.sub);
  const refused = await answerTo(window, party, { response_mode: "form_post", prompt: "none" });
  assert.deepEqual([refused.method, refused.parameters.get("error")], ["POST", "interaction_required"]);
});

check("a request can be posted: the site answers 303 with the page of the same request", async (window) => {
  await window.enrol("posted");
  const party = await RelyingParty.register(app, "none");
  const begun = await party.begin();
  const body = begun.url.searchParams;
  const answer = await fetch(`${ISSUER}/authorize`, { method: "POST", body, redirect: "manual" });
  assert.equal(answer.status, 303);
  assert.equal(new URL(answer.headers.get("location") ?? "", ISSUER).href, new URL(`/authorize?${body}`, ISSUER).href);
  // From a form on the app's own page, as OpenID Connect Core §3.1.2.1 has it.
  const inputs = [...body].map(([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('"', "&quot;")}">`);
  app.files.set("/form.html", {
    type: "text/html",
    body: `<!doctype html><html lang="en"><title>Form</title><form method="post" action="${ISSUER}/authorize">${inputs.join("")}<button>Go</button></form>`,
  });
  await window.visit(`${app.origin}/form.html`);
  await window.touch(true);
  const { url } = await window.arrivalOf(app, () => window.press("Go"));
  assert.ok((await party.redeem(url, begun)).access_token);
});

check("signing out can be posted, too", async (window) => {
  await window.enrol("leaver");
  const party = await RelyingParty.register(app, "none", "--silent");
  const { id_token: hint = "" } = await party.signIn(window);
  // RP-Initiated Logout 1.0 §2 has both methods.
  app.files.set("/leave.html", {
    type: "text/html",
    body: `<!doctype html><html lang="en"><title>Form</title><form method="post" action="${ISSUER}/logout">
      <input type="hidden" name="id_token_hint" value="${hint}"><input type="hidden" name="state" value="gone">
      <input type="hidden" name="post_logout_redirect_uri" value="${app.bye}"><button>Leave</button></form>`,
  });
  await window.visit(`${app.origin}/leave.html`);
  const { url } = await window.arrivalOf(app, () => window.press("Leave"));
  assert.equal(url.href, `${app.bye}?state=gone`);
  assert.equal((await answerTo(window, party, { prompt: "none" })).parameters.get("error"), "login_required");
});

check("a session answers where the client allows it, and says so", async (window) => {
  const person = await window.enrol("session");
  const party = await RelyingParty.register(app, "none", "--silent");
  const none = await answerTo(window, party, { prompt: "none" });
  assert.equal(none.parameters.get("error"), "login_required");
  assert.equal(none.parameters.get("state"), none.begun.expectedState);
  const tapped = claimsOf((await party.signIn(window)).id_token ?? "");
  assert.equal(tapped.acr, "urn:quorate:passkey");

  await window.touch(false);
  for (const prompt of ["", "none"]) {
    const { url, begun } = await answerTo(window, party, prompt === "" ? {} : { prompt });
    const tokens = await party.redeem(url, begun);
    const claims = claimsOf(tokens.id_token ?? "");
    assert.deepEqual([claims.sub, claims.acr, claims.sid, claims.auth_time], [
      person.sub,
      "urn:quorate:session",
      tapped.sid,
      tapped.auth_time,
    ]);
    const access = claimsOf(tokens.access_token);
    assert.deepEqual([access.acr, access.sid, access.auth_time], [claims.acr, claims.sid, claims.auth_time]);
  }
  for (const change of [{ acr_values: "urn:quorate:passkey" }, { max_age: "0" }])
    assert.equal((await answerTo(window, party, { prompt: "none", ...change })).parameters.get("error"), "login_required");
  assert.ok((await answerTo(window, party, { prompt: "none", max_age: "3600" })).parameters.get("code"));

  // Somebody else is meant: the hint of another person, or a client that does not allow it.
  const loud = await RelyingParty.register(app, "none");
  assert.equal((await answerTo(window, loud, { prompt: "none" })).parameters.get("error"), "interaction_required");

  for (const prompt of ["login", "consent", "select_account"]) {
    await window.visit((await party.begin({ prompt })).url);
    await window.heading(/^Sign in to /);
    assert.ok((await window.askedForPasskey()) > 0, prompt);
  }
  const forced = claimsOf((await party.signIn(window, { prompt: "login" })).id_token ?? "");
  assert.equal(forced.acr, "urn:quorate:passkey");
  assert.notEqual(forced.sid, tapped.sid);
  // A maximum age that the tap meets is met, and told by auth_time (OpenID Connect Core §3.1.2.1).
  const aged = claimsOf((await party.signIn(window, { max_age: "0" })).id_token ?? "");
  assert.ok(Math.abs(Date.now() / 1000 - aged.auth_time) < 60, String(aged.auth_time));
});

check("a hint names the one person who may answer", async (window) => {
  const person = await window.enrol("hinted");
  const party = await RelyingParty.register(app, "none", "--silent");
  const hint = (await party.signIn(window)).id_token ?? "";
  const { url, begun } = await answerTo(window, party, { prompt: "none", id_token_hint: hint });
  assert.equal((await party.redeem(url, begun)).claims()?.sub, person.sub);
  const bad = await answerTo(window, party, { id_token_hint: `${hint.slice(0, -6)}AAAAAA` });
  assert.equal(bad.parameters.get("error"), "invalid_request");
  // The hint of another client is none of this one's.
  const other = await RelyingParty.register(app, "none", "--silent");
  assert.equal((await answerTo(window, other, { id_token_hint: hint })).parameters.get("error"), "invalid_request");
});

check("a hint of another person: the session does not answer, and no other passkey is taken", async (window) => {
  const party = await RelyingParty.register(app, "none", "--silent");
  await window.enrol("first");
  const hint = (await party.signIn(window)).id_token ?? "";
  await window.cdp.send("WebAuthn.clearCredentials", { authenticatorId: window.authenticator });
  await window.enrol("second");
  await party.signIn(window, { prompt: "login" });
  assert.equal((await answerTo(window, party, { prompt: "none", id_token_hint: hint })).parameters.get("error"), "login_required");
  await window.withoutAutofill();
  await window.touch(true);
  const before = app.arrivals.length;
  await window.visit((await party.begin({ prompt: "login", id_token_hint: hint })).url);
  await window.heading(/^Sign in to /);
  await window.press("Sign in with a passkey");
  assert.match(await window.alert(), /somebody else’s passkey than the app asked for/);
  assert.equal(app.arrivals.length, before);
});

check("an unknown client or address stops the page, which goes nowhere", async (window) => {
  const party = await RelyingParty.register(app, "none");
  const before = app.arrivals.length;
  /** @type {[Record<string, string>, RegExp][]} */
  const cases = [
    [{ client_id: freshName("nobody") }, /not registered with this issuer/],
    [{ client_id: "no such/../client" }, /names an app in a way/],
    [{ client_id: "demo-service" }, /not registered with this issuer/],
    [{ redirect_uri: `${app.redirectUri}/` }, /not registered for it/],
    [{ redirect_uri: `${app.redirectUri}?x=1` }, /not registered for it/],
    [{ redirect_uri: app.redirectUri.replace("127.0.0.1", "localhost") }, /not registered for it/],
    [{ redirect_uri: app.redirectUri.replace(/:\d+/, ":1") }, /not registered for it/],
    [{ redirect_uri: "https://evil.example/cb" }, /not registered for it/],
    [{ redirect_uri: "javascript:alert(1)" }, /not registered for it/],
    [{ redirect_uri: "" }, /once and clearly/],
  ];
  for (const prompt of ["login", "none"]) {
    for (const [change, words] of cases) {
      const { url } = await party.begin({ ...change, prompt });
      await window.visit(url);
      await window.heading("You cannot sign in from here");
      assert.match(await window.alert(), words);
      assert.equal(window.page.url(), url.href);
      assert.equal(await window.askedForPasskey(), 0);
    }
  }
  assert.equal(app.arrivals.length, before);
});

check("a native application may answer on any port of its loopback address, and others may not", async (window) => {
  await window.enrol("native");
  const id = freshName("native");
  await addClient(id, "native", ["http://127.0.0.1/cb"]);
  const party = new RelyingParty(app, id, await RelyingParty.discover(id, "none", undefined), undefined);
  assert.ok((await party.signIn(window)).access_token);
});

check("what a request gets wrong is told to the client, by name", async (window) => {
  const party = await RelyingParty.register(app, "client_secret_basic");
  /** @type {[Record<string, string>, string][]} */
  const cases = [
    [{ request: "eyJhbGciOiJub25lIn0.e30." }, "request_not_supported"],
    [{ request_uri: "https://app.example/request" }, "request_uri_not_supported"],
    [{ registration: "{}" }, "registration_not_supported"],
    [{ response_type: "token" }, "unsupported_response_type"],
    [{ response_type: "code id_token" }, "unsupported_response_type"],
    [{ response_type: "" }, "invalid_request"],
    [{ response_mode: "fragment" }, "invalid_request"],
    [{ code_challenge: "", code_challenge_method: "" }, "invalid_request"],
    [{ code_challenge_method: "" }, "invalid_request"],
    [{ code_challenge_method: "plain" }, "invalid_request"],
    [{ code_challenge: "short" }, "invalid_request"],
    [{ scope: "unheard_of" }, "invalid_scope"],
    [{ scope: "" }, "invalid_scope"],
    [{ prompt: "none login" }, "invalid_request"],
    [{ prompt: "create" }, "invalid_request"],
    [{ max_age: "-1" }, "invalid_request"],
    [{ nonce: "n".repeat(513) }, "invalid_request"],
    [{ claims: "{" }, "invalid_request"],
    [{ claims: '{"id_token":{"acr":{"essential":true,"value":"gold"}}}' }, "unmet_authentication_requirements"],
    [{ resource: "https://api.example" }, "invalid_target"],
    [{ id_token_hint: "no.hint.atall" }, "invalid_request"],
  ];
  for (const [change, error] of cases) {
    const { parameters, begun } = await answerTo(window, party, change);
    const what = JSON.stringify(change);
    assert.equal(parameters.get("error"), error, what);
    assert.equal(parameters.get("state"), begun.expectedState, what);
    assert.match(parameters.get("error_description") ?? "", /^[ !#-[\]-~]+$/, what);
    assert.equal(parameters.get("code"), null, what);
  }
  for (const name of ["scope", "nonce", "state", "response_type", "unheard_of"]) {
    const { url } = await party.begin({ unheard_of: "1" });
    url.searchParams.append(name, "twice");
    const { parameters } = await window.arrivalAfter(app, url);
    assert.equal(parameters.get("error"), "invalid_request", name);
    assert.equal(parameters.has("state"), name !== "state", "which of two states was meant is not for us to choose");
  }
});

check("a client or address that stands twice goes nowhere", async (window) => {
  const party = await RelyingParty.register(app, "none");
  const before = app.arrivals.length;
  for (const name of ["client_id", "redirect_uri"]) {
    const { url } = await party.begin();
    url.searchParams.append(name, url.searchParams.get(name) ?? "");
    await window.visit(url);
    await window.heading("You cannot sign in from here");
  }
  assert.equal(app.arrivals.length, before);
});

check("offline_access is dropped, and unknown parameters are ignored", async (window) => {
  await window.enrol("offline");
  const party = await RelyingParty.register(app, "none");
  const tokens = await party.signIn(window, {
    scope: "openid email offline_access unheard_of",
    prompt: "consent",
    unheard_of: "1",
    display: "popup",
    claims_locales: "de",
  });
  assert.equal(tokens.scope, "email openid");
  assert.equal(claimsOf(tokens.access_token).scope, "email openid");
  assert.equal(tokens.refresh_token, undefined);
});

check("saying no is told to the client", async (window) => {
  const party = await RelyingParty.register(app, "none");
  const begun = await party.begin();
  await window.visit(begun.url);
  await window.heading(/^Sign in to /);
  const { parameters } = await window.arrivalOf(app, () => window.press("Do not sign in"));
  assert.deepEqual([parameters.get("error"), parameters.get("state")], ["access_denied", begun.expectedState]);
});

check("without PKCE only a client that proves itself, and whose record says so", async (window) => {
  await window.enrol("pkce");
  const party = await RelyingParty.register(app, "client_secret_post", "--pkce", "optional");
  const begun = await party.begin({ code_challenge: "", code_challenge_method: "" });
  const { url, parameters } = await window.arrivalByTap(app, begun.url);
  const form = {
    grant_type: "authorization_code",
    code: parameters.get("code") ?? "",
    redirect_uri: app.redirectUri,
    client_id: party.id,
  };
  assert.equal(url.searchParams.get("error"), null);
  // A verifier for a code without a challenge was downgraded on the way (RFC 9700 §4.8.2).
  const downgraded = await token({ ...form, client_secret: party.secret ?? "", code_verifier: begun.pkceCodeVerifier });
  assert.deepEqual([downgraded.status, downgraded.body.error], [400, "invalid_grant"]);
  const told = await token({ ...form, client_secret: party.secret ?? "" });
  assert.equal(told.status, 200, JSON.stringify(told.body));
});

check("answers of the token endpoint may not be kept, and any origin may ask", async () => {
  const asked = await fetch(`${GATEWAY}/token`, {
    method: "OPTIONS",
    headers: { origin: app.origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization,dpop" },
  });
  assert.equal(asked.headers.get("access-control-allow-origin"), "*");
  assert.match(asked.headers.get("access-control-allow-headers") ?? "", /authorization/);
  const told = await token({ grant_type: "password", username: "a", password: "b" });
  assert.deepEqual([told.status, told.body.error], [400, "unsupported_grant_type"]);
  assert.match(told.headers.get("cache-control") ?? "", /no-store/);
});
