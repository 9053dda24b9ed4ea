// The pages in a real browser, against a gateway that can lie.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { openWindow, startWorld } from "./browser.js";

/** @type {import("./browser.js").World} */
let world;
before(async () => {
  world = await startWorld();
});
after(() => world.close());
beforeEach(() => {
  world.gateway.state.lies = {};
});

/** @typedef {import("./browser.js").Window} Window */

/**
 * @param {string} name
 * @param {(window: Window) => Promise<void>} run
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
function check(name, run, options) {
  test(name, { timeout: 90_000 }, async () => {
    const window = await openWindow(world, options);
    await run(window);
    await window.close();
  });
}

/** @param {URLSearchParams} parameters */
const fields = (parameters) => Object.fromEntries(parameters);

check("a person sees who asks and what for, and signs in with the button", async (window) => {
  await window.addUser("ada");
  await window.authorize({ scope: "openid profile email notes.read offline_access" });
  await window.heading("Sign in to Notebook");
  const text = await window.text();
  assert.match(text, new RegExp(new URL(world.app.origin).host));
  assert.match(text, /your e-mail address/);
  assert.match(text, /notes\.read/);
  assert.match(text, /recorded in the public log/);
  await window.inspect("authorize");
  await window.touch(true);
  await window.press("Sign in with a passkey");
  const { method, parameters } = await window.answer();
  assert.equal(method, "GET");
  const { code = "", ...rest } = fields(parameters);
  assert.match(code, /^[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(rest, { state: "s t&ä", iss: world.site.origin });
  const tokens = world.tenant.redeem(
    new URLSearchParams({ code, redirect_uri: `${world.app.origin}/cb`, code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" }),
  );
  assert.equal(tokens?.scope, "email notes.read openid profile");
});

check("a passkey can be picked from the field", async (window) => {
  await window.addUser("bob");
  await window.touch(true);
  await window.authorize();
  assert.match(fields((await window.answer()).parameters).code ?? "", /^[A-Za-z0-9_-]{43}$/);
});

check("an app is opened by the person, not by script", async (window) => {
  await window.addUser("carl");
  await window.touch(true);
  await window.authorize({ redirect_uri: "org.example.notes:/cb", state: undefined });
  await window.heading("You are signed in");
  const target = (await window.page.getByRole("link", { name: "Open Notebook" }).getAttribute("href")) ?? "";
  assert.match(target, /^org\.example\.notes:\/cb\?code=[A-Za-z0-9_-]{43}&iss=http%3A%2F%2Flocalhost/);
  await window.inspect("authorize-app");
});

check("an answer can be posted", async (window) => {
  await window.addUser("dora");
  await window.touch(true);
  await window.authorize({ response_mode: "form_post" });
  const { method, parameters } = await window.answer();
  assert.equal(method, "POST");
  assert.equal(parameters.get("state"), "s t&ä");
});

check("saying no is told to the app", async (window) => {
  await window.authorize();
  await window.press("Do not sign in");
  const { parameters } = await window.answer();
  assert.deepEqual(fields(parameters), {
    error: "access_denied",
    error_description: "the person did not sign in",
    state: "s t&ä",
    iss: world.site.origin,
  });
});

check("errors of the request go to the app", async (window) => {
  await window.authorize({ response_type: "token" });
  assert.equal((await window.answer()).parameters.get("error"), "unsupported_response_type");
  await window.authorize({ request_uri: "https://app.example.org/r", response_mode: "form_post" });
  const posted = await window.answer();
  assert.deepEqual([posted.method, posted.parameters.get("error")], ["POST", "request_uri_not_supported"]);
  await window.authorize({ id_token_hint: "x.y.z" });
  assert.equal((await window.answer()).parameters.get("error"), "invalid_request");
  await window.page.goto(`${window.authorizeUrl()}&state=2`);
  const twice = (await window.answer()).parameters;
  assert.deepEqual([twice.get("error"), twice.get("state")], ["invalid_request", null]);
});

check("without a sure client and address the page stops and sends nothing", async (window) => {
  const count = world.app.answers.length;
  /** @type {[Record<string, string | undefined>, RegExp][]} */
  const cases = [
    [{ client_id: undefined }, /does not say which app/],
    [{ client_id: ".." }, /names an app in a way/],
    [{ client_id: "nobody" }, /not registered with this issuer/],
    [{ client_id: "stopped" }, /stopped by an administrator/],
    [{ redirect_uri: `${world.app.origin}/cb/` }, /not registered for it/],
    [{ redirect_uri: undefined }, /once and clearly/],
  ];
  for (const [change, words] of cases) {
    await window.authorize(change);
    await window.heading("You cannot sign in from here");
    assert.match(await window.page.getByRole("alert").innerText(), words);
  }
  await window.inspect("authorize-stop");
  assert.equal(world.app.answers.length, count);
});

check("a gateway that lies about the client is caught, and nothing is sent", async (window) => {
  const count = world.app.answers.length;
  const evil = await import("./evil.js");
  for (const [name, lies, words, clientId] of await evil.liesAboutClient(world)) {
    world.gateway.state.lies = lies;
    await window.authorize({ prompt: "none", client_id: clientId ?? "web" });
    await window.heading("This page stopped");
    assert.match(await window.page.getByRole("alert").innerText(), words, name);
    assert.equal(new URL(window.page.url()).pathname, "/authorize", name);
  }
  await window.inspect("authorize-distrust");
  assert.equal(world.app.answers.length, count);
});

check("a passkey that nobody knows is told to the provider, and to nobody else", async (window) => {
  await window.addUser("eve", false);
  await window.authorize();
  await window.heading("Sign in to Notebook");
  await window.touch(true);
  await window.press("Sign in with a passkey");
  const alert = window.page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.innerText(), /You were not signed in\s+This passkey could not be used here/);
  await window.inspect("authorize-unknown");
  const { credentials } = await window.cdp.send("WebAuthn.getCredentials", { authenticatorId: window.authenticatorId });
  assert.equal(credentials.length, 0);
});

check("refusals and missing custodians are said in words, and can be tried again", async (window) => {
  await window.addUser("fay");
  await window.authorize();
  await window.heading("Sign in to Notebook");
  await window.touch(true);
  const alert = window.page.getByRole("alert");
  world.gateway.state.lies = { grants: () => ({ status: 403, body: { error: "refused", refusal: "something_new" } }) };
  await window.press("Sign in with a passkey");
  await alert.getByText("something_new").waitFor();
  await window.touch(false);
  world.gateway.state.lies = { grants: () => ({ status: 503, body: { error: "temporarily_unavailable" } }) };
  await window.touch(true);
  await window.press("Sign in with a passkey");
  await alert.getByText("Too few custodians").waitFor();
  world.gateway.state.lies = {};
  assert.match(fields((await window.answer()).parameters).code ?? "", /^[A-Za-z0-9_-]{43}$/);
});

check("a session answers without a tap where the client allows it", async (window) => {
  const { sub } = await window.addUser("gus");
  await window.authorize({ prompt: "none" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "none", client_id: "loud" });
  assert.equal((await window.answer()).parameters.get("error"), "interaction_required");
  await window.touch(true);
  await window.authorize();
  await window.answer();
  await window.touch(false);
  for (const prompt of [undefined, "none"]) {
    await window.authorize({ prompt });
    assert.match((await window.answer()).parameters.get("code") ?? "", /^[A-Za-z0-9_-]{43}$/);
  }
  const seen = world.gateway.state.seen.filter(({ path }) => path === "/grants").at(-1);
  assert.ok(seen?.body.tap.grant);
  await window.authorize({ prompt: "none", acr_values: "urn:quorate:passkey" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "none", max_age: "0" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "login" });
  await window.heading("Sign in to Notebook");
  // A hint of somebody else: the session may not answer for them, and it is of no more use.
  const other = world.tenant.token("JWT", sub, "A", Date.now(), (tlx) => ({ iss: world.site.origin, sub: "u-other", aud: "web", tlx }));
  await window.authorize({ prompt: "none", id_token_hint: other });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "none" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
});

check("pages do not run inside others", async (window) => {
  world.site.withoutFramePolicy(true);
  await window.page.goto(`${world.app.origin}/?frame=${encodeURIComponent(window.authorizeUrl())}`);
  await window.page.frameLocator("iframe").getByRole("heading", { name: "does not open inside another page" }).waitFor();
  world.site.withoutFramePolicy(false);
});

check(
  "the sign-in page speaks German, dark and on a phone",
  async (window) => {
    await window.addUser("hans");
    await window.authorize({ ui_locales: "fr de" });
    await window.heading("Bei Notebook anmelden");
    assert.equal(await window.page.locator("html").getAttribute("lang"), "de");
    await window.inspect("authorize-german-dark-phone");
  },
  { colorScheme: "dark", viewport: { width: 360, height: 740 } },
);

check("the request is renewed when it gets old", async (window) => {
  await window.page.clock.install();
  await window.authorize();
  await window.heading("Sign in to Notebook");
  const asked = () => world.gateway.state.seen.filter(({ path }) => path === "/registry/client/web").length;
  const before = asked();
  await window.page.clock.runFor(60_000);
  assert.equal(asked(), before);
  await window.page.clock.runFor(70_000);
  await window.page.waitForTimeout(300);
  assert.equal(asked(), before + 1);
});
