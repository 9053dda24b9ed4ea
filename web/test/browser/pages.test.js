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
    new URLSearchParams({
      code,
      redirect_uri: `${world.app.origin}/cb`,
      code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }),
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
  // Without autofill every attempt begins with a press, as in browsers that lack it.
  await window.page.addInitScript(() => {
    PublicKeyCredential.isConditionalMediationAvailable = async () => false;
  });
  await window.addUser("fay");
  await window.touch(true);
  await window.authorize();
  await window.heading("Sign in to Notebook");
  assert.equal(await window.page.getByLabel("User name").count(), 0);
  const alert = window.page.getByRole("alert");
  world.gateway.state.lies = { grants: () => ({ status: 403, body: { error: "refused", refusal: "something_new" } }) };
  await window.press("Sign in with a passkey");
  await alert.getByText("something_new").waitFor();
  await window.inspect("authorize-refused");
  world.gateway.state.lies = { grants: () => ({ status: 503, body: { error: "temporarily_unavailable" } }) };
  await window.press("Sign in with a passkey");
  await alert.getByText("Too few custodians").waitFor();
  world.gateway.state.lies = {};
  await window.press("Sign in with a passkey");
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
  world.gateway.state.lies = { grants: () => ({ status: 503, body: { error: "temporarily_unavailable" } }) };
  await window.authorize({ prompt: "none" });
  assert.equal((await window.answer()).parameters.get("error"), "temporarily_unavailable");
  world.gateway.state.lies = {};
  await window.authorize({ prompt: "none", acr_values: "urn:quorate:passkey" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "none", max_age: "0" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "login" });
  await window.heading("Sign in to Notebook");
  // A hint of somebody else: the session may not answer for them, and any site can write such a hint: the session stays.
  const other = world.tenant.token("JWT", sub, "A", Date.now(), (tlx) => ({
    iss: world.site.origin,
    sub: "u-other",
    aud: "web",
    tlx,
  }));
  await window.authorize({ prompt: "none", id_token_hint: other });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await window.authorize({ prompt: "none" });
  assert.match((await window.answer()).parameters.get("code") ?? "", /^[A-Za-z0-9_-]{43}$/);
});

check("pages do not run inside others", async (window) => {
  world.site.weaken.hasNoFramePolicy = true;
  await window.page.goto(`${world.app.origin}/?frame=${encodeURIComponent(window.authorizeUrl())}`);
  await window.page
    .frameLocator("iframe")
    .getByRole("heading", { name: "does not open inside another page" })
    .waitFor();
  world.site.weaken.hasNoFramePolicy = false;
});

check("a module that is not the one whose hash is in the page does not run", async (window) => {
  await window.addUser("ben");
  await window.touch(true);
  for (const alteredModule of ["js/authorize.js", "js/base64.js"]) {
    world.site.weaken.alteredModule = alteredModule;
    await window.authorize();
    await window.page.getByText("needs a newer browser").waitFor();
    assert.equal(new URL(window.page.url()).pathname, "/authorize");
  }
  world.site.weaken.alteredModule = undefined;
  assert.ok(window.complaints.length >= 2);
  window.complaints.length = 0;
});

check(
  "without scripts the pages say what to do",
  async (window) => {
    for (const path of ["/authorize", "/enrol", "/account", "/logout", "/"]) {
      await window.page.goto(`${world.site.origin}${path}`);
      assert.match(await window.text(), path === "/" ? /without a master key/ : /JavaScript/);
    }
  },
  { javaScriptEnabled: false },
);

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
  // An older anchor than the one that the page has seen is no honest answer.
  const older = world.tenant.record("client/web");
  world.tenant.append(8);
  await window.page.clock.runFor(130_000);
  await window.page.waitForTimeout(300);
  world.gateway.state.lies = { record: () => older };
  await window.page.clock.runFor(130_000);
  await window.heading("This page stopped");
  assert.match(await window.text(), /older or different log/);
});

check("a connection that is gone for a moment is waited for", async (window) => {
  await window.page.clock.install();
  await window.authorize();
  await window.heading("Sign in to Notebook");
  world.gateway.state.lies = { isDown: true };
  await window.page.clock.runFor(130_000);
  await window.page.getByRole("alert").getByText("Too few custodians").waitFor();
  world.gateway.state.lies = {};
  await window.page.clock.runFor(6_000);
  await window.page.getByRole("alert").waitFor({ state: "detached" });
  await window.heading("Sign in to Notebook");
});

/** @param {Partial<{ expiresMs: number, displayName: string }>} [change] */
async function invite(change = {}) {
  const { fromSeed } = await import("../../site/js/ed25519.js");
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const { publicKey } = await fromSeed(seed);
  const sub = `u-${Buffer.from(seed)
    .toString("hex")
    .replace(/[^a-f]/g, "b")
    .slice(0, 26)}`;
  world.tenant.putInvitation(publicKey, {
    sub,
    userName: "ada",
    displayName: "Ada Lovelace",
    expiresMs: Date.now() + 60_000,
    ...change,
  });
  return `${world.site.origin}/enrol#${Buffer.from(seed).toString("base64url")}`;
}

check("an invitation becomes a passkey, once", async (window) => {
  const url = await invite();
  await window.page.goto(url);
  await window.heading("Set up your passkey");
  assert.match(await window.text(), /Ada Lovelace, you were invited/);
  await window.inspect("enrol");
  await window.touch(true);
  await window.page.getByLabel("Name of this passkey").fill("  ");
  await window.press("Make a passkey");
  await window.page.getByText("Please give it a name").waitFor();
  await window.page.getByLabel("Name of this passkey").fill("Blauer Schlüssel");
  await window.press("Make a passkey");
  await window.heading("Now use it once");
  await window.inspect("enrol-confirm");
  await window.press("Use the new passkey");
  await window.heading("Your passkey is ready");
  await window.inspect("enrol-done");
  const passkey = [...world.tenant.passkeys.values()].at(-1);
  assert.equal(passkey?.label, "Blauer Schlüssel");
  assert.match(await window.text(), new RegExp(`entry ${passkey?.index}\\.`));
  assert.equal(new URL(window.page.url()).hash, "");
  await window.page.goto(url);
  await window.heading("This invitation cannot be used");
  assert.match(await window.text(), /used already, or was withdrawn/);
  // What was enrolled signs in, and only the person can find the entries.
  await window.authorize();
  assert.ok((await window.answer()).parameters.get("code"));
});

check("invitations that cannot be used say why", async (window) => {
  const expired = await invite({ expiresMs: Date.now() - 1 });
  /** @type {[string, RegExp][]} */
  const cases = [
    [`${world.site.origin}/enrol`, /not complete/],
    [`${world.site.origin}/enrol#AAAA`, /not complete/],
    [`${world.site.origin}/enrol#${"A".repeat(43)}`, /used already, or was withdrawn/],
    [expired, /has expired/],
  ];
  for (const [url, words] of cases) {
    await window.page.goto("about:blank");
    await window.page.goto(url);
    await window.heading("This invitation cannot be used");
    assert.match(await window.text(), words, url);
  }
  await window.inspect("enrol-expired");
  const good = await invite();
  world.gateway.state.lies = { record: (answer) => ({ ...answer, record_proof: [] }) };
  await window.page.goto("about:blank");
  await window.page.goto(good);
  await window.heading("This page stopped");
});

/** @param {Window} window */
async function signInToAccount(window) {
  await window.page.goto(`${world.site.origin}/account`);
  await window.heading("Your account");
  await window.press("Sign in");
  await window.page.getByRole("heading", { name: "Your tokens" }).waitFor();
}

/**
 * Tokens from before: a sign-in with renewals, of some days ago.
 * @param {string} sub
 * @param {string} clientId
 * @param {number} renewals
 */
function issueOld(sub, clientId, renewals) {
  const session = crypto.getRandomValues(new Uint8Array(64));
  const grant = new Map(
    /** @type {[string, any][]} */ ([
      ["client_id", clientId],
      ["scope", "email openid"],
      ["session", session],
    ]),
  );
  const begin = Date.now() - 3 * 86400_000;
  for (let at = 0; at <= renewals; at += 1) world.tenant.issue(grant, at === 0 ? "A" : "B", sub, begin + at * 3600_000);
}

check("the account page shows passkeys and every token, checked against the log", async (window) => {
  const { sub } = await window.addUser("ida");
  issueOld(sub, "web", 3);
  issueOld(sub, "gone-app", 0);
  await window.touch(true);
  await signInToAccount(window);
  await window.page.getByText("The whole log was searched and checked").waitFor();
  const cards = window.page.locator("section[aria-labelledby=tokens] > .cards > .card");
  await cards.getByRole("heading", { name: "Notebook" }).waitFor();
  assert.equal(await cards.count(), 3);
  assert.match(await cards.nth(0).innerText(), /Your account\s+This browser[\s\S]*2 tokens/);
  assert.match(await cards.nth(1).innerText(), /gone-app/);
  assert.match(await cards.nth(2).innerText(), /Notebook\s+Signed in .* with a passkey[\s\S]*8 tokens/);
  await cards.nth(2).locator("summary").click();
  await window.inspect("account");
  const [download] = await Promise.all([
    window.page.waitForEvent("download"),
    cards
      .nth(2)
      .getByRole("button", { name: /Download proof/ })
      .first()
      .click(),
  ]);
  assert.match(download.suggestedFilename(), /^localhost-\d+\.tlog-proof$/);
  const { readFile } = await import("node:fs/promises");
  await checkProof(await readFile((await download.path()) ?? "", "utf8"));
  // The tab keeps the visit for a reload; the address holds nothing of the sign-in.
  assert.equal(window.page.url(), `${world.site.origin}/account`);
  await window.page.reload();
  await window.page.getByText("The whole log was searched and checked").waitFor();
});

/** @param {string} file */
async function checkProof(file) {
  const { readPolicy, vouchedCheckpoint } = await import("../../site/js/policy.js");
  const { isIncluded } = await import("../../site/js/merkle.js");
  const { leafHash } = await import("../../site/js/hash.js");
  const [head = "", ...note] = file.split("\n\n");
  const [header, extra = "", index = "", ...path] = head.split("\n");
  assert.equal(header, "c2sp.org/tlog-proof@v1");
  const files = world.tenant.siteFiles(world.gateway.origin);
  const { size, root } = await vouchedCheckpoint(
    await readPolicy(files["/.well-known/quorate/tlog-policy"]),
    note.join("\n\n"),
  );
  const leaf = await leafHash(new Uint8Array(Buffer.from(extra.slice("extra ".length), "base64")));
  const proof = path.map((hash) => new Uint8Array(Buffer.from(hash, "base64")));
  assert.ok(await isIncluded({ leaf, index: Number(index.slice("index ".length)), size, proof, root }));
}

check("tokens that the gateway leaves out or alters are shown as such", async (window) => {
  const { sub } = await window.addUser("jo");
  issueOld(sub, "web", 1);
  await window.touch(true);
  world.gateway.state.lies = {
    openings: (entries) =>
      entries.slice(1).map((entry, at) => (at === 0 ? { ...entry, sealed: entries[2].sealed } : entry)),
  };
  await signInToAccount(window);
  await window.page.getByText("Left out by the gateway").waitFor();
  const lines = window.page.getByRole("alert").getByRole("listitem");
  assert.equal(await lines.count(), 2);
  await window.page.getByText("The whole log was searched").waitFor();
  await window.inspect("account-left-out");
});

check("a log that does not match its signature stops the search", async (window) => {
  const { sub } = await window.addUser("kim");
  issueOld(sub, "web", 1);
  await window.touch(true);
  world.gateway.state.lies = {
    published: (path, bytes) => {
      if (path.startsWith("tile/entries")) bytes[120] = /** @type {number} */ (bytes[120]) ^ 1;
      return bytes;
    },
  };
  await signInToAccount(window);
  await window.page.getByText("part of the log is missing or does not match").waitFor();
  assert.doesNotMatch(await window.text(), /whole log was searched/);
});

check("“This wasn’t me” stops a sign-in", async (window) => {
  const { sub } = await window.addUser("lea");
  issueOld(sub, "web", 1);
  await window.touch(true);
  await signInToAccount(window);
  await window.page.getByText("The whole log was searched").waitFor();
  const card = window.page.locator(".card", { has: window.page.getByRole("heading", { name: "Notebook" }) });
  await card.getByRole("button", { name: "This wasn’t me: Notebook" }).click();
  await window.inspect("account-not-me");
  await card.getByRole("button", { name: "Stop it with my passkey" }).click();
  await card.getByText("Stopped. The order is log entry").waitFor();
  assert.equal(world.tenant.revoked.size, 1);
});

check("a second passkey is added by the first", async (window) => {
  const { sub } = await window.addUser("mia");
  await window.touch(true);
  await signInToAccount(window);
  await window.press("Add a passkey");
  await window.page.getByLabel("Name of this passkey").fill("Blue key");
  await window.inspect("account-add");
  // The device that holds the first passkey refuses to make another one, which would take its place.
  await window.press("Make a passkey");
  await window.page.getByText("already holds a passkey for you").waitFor();
  const { authenticatorId } = await window.cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "usb",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await window.touch(false);
  await window.press("Make a passkey");
  await window.press("Use the new passkey");
  await window.page.getByRole("heading", { name: "Now agree" }).waitFor();
  // Only the device that has the first passkey is touched now.
  await window.cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: false });
  await window.touch(true);
  await window.press("Agree with my passkey");
  await window.page.getByText("The passkey was added, as log entry").waitFor();
  await window.page.getByRole("heading", { name: "Blue key" }).waitFor();
  assert.equal([...world.tenant.passkeys.values()].filter((passkey) => passkey.sub === sub).length, 2);
  await window.cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
});

check("answers that belong to no sign-in of this tab are not taken", async (window) => {
  await window.page.goto(
    `${world.site.origin}/account?code=${"A".repeat(43)}&state=x&iss=${encodeURIComponent(world.site.origin)}`,
  );
  await window.page.getByText("does not belong to a sign-in").waitFor();
  await window.page.goto(`${world.site.origin}/account?error=access_denied&state=x`);
  await window.page.getByText("You were not signed in").waitFor();
  assert.equal(window.page.url(), `${world.site.origin}/account`);
  await window.inspect("account-sign-in");
});

check("a long log is searched in parts", async (window) => {
  const { sub } = await window.addUser("noa");
  issueOld(sub, "web", 0);
  const spare = world.tenant.tree.size;
  for (let at = 0; at < 17_000; at += 1) world.tenant.append(8);
  await window.touch(true);
  await signInToAccount(window);
  await window.page.getByText("Complete back to").waitFor();
  assert.doesNotMatch(await window.text(), /Notebook/);
  await window.inspect("account-long-log");
  await window.press("Search further back");
  await window.page.getByText("The whole log was searched").waitFor({ timeout: 30_000 });
  await window.page.getByRole("heading", { name: "Notebook" }).waitFor();
  assert.ok(spare < 1_000);
});

check("signing out asks, unless an app proves that it may", async (window) => {
  const { sub } = await window.addUser("ole");
  await window.touch(true);
  await window.authorize();
  await window.answer();
  const hint = world.tenant.token("JWT", sub, "A", Date.now() - 86400_000, (tlx) => ({
    iss: world.site.origin,
    sub,
    aud: "web",
    exp: 1,
    tlx,
  }));
  const bye = `${world.app.origin}/bye`;
  const logout = (/** @type {Record<string, string>} */ parameters) =>
    window.page.goto(`${world.site.origin}/logout?${new URLSearchParams(parameters)}`);
  await logout({});
  await window.heading("Sign out");
  await window.inspect("logout");
  await window.press("Stay signed in");
  await window.heading("You are still signed in");
  /** @type {[Record<string, string>, RegExp][]} */
  const bad = [
    [{ id_token_hint: `${hint}x`, post_logout_redirect_uri: bye }, /did not give/],
    [{ id_token_hint: hint, client_id: "loud", post_logout_redirect_uri: bye }, /not the one that the sign-in was for/],
    [{ client_id: "nobody", post_logout_redirect_uri: bye }, /not the one that the sign-in was for/],
    [{ id_token_hint: hint, post_logout_redirect_uri: `${bye}?x=1` }, /not registered/],
    [{ post_logout_redirect_uri: bye }, /not registered/],
  ];
  for (const [parameters, words] of bad) {
    await logout(parameters);
    await window.heading("Sign out");
    assert.match(await window.page.getByRole("alert").innerText(), words);
  }
  await window.inspect("logout-bad");
  await window.touch(false);
  await window.authorize({ prompt: "none" });
  assert.ok((await window.answer()).parameters.get("code"));
  await logout({ client_id: "web", post_logout_redirect_uri: bye, state: "z" });
  await window.page.getByText("Notebook asks you to sign out").waitFor();
  await logout({ id_token_hint: hint, post_logout_redirect_uri: bye, state: "z" });
  const { path, parameters } = await window.answer();
  assert.deepEqual([path, fields(parameters)], ["/bye", { state: "z" }]);
  await window.authorize({ prompt: "none" });
  assert.equal((await window.answer()).parameters.get("error"), "login_required");
  await logout({});
  await window.press("Sign out");
  await window.heading("You are signed out");
  await window.inspect("logout-done");
});

check("the account page signs out", async (window) => {
  await window.addUser("pia");
  await window.touch(true);
  await signInToAccount(window);
  await window.press("Sign out");
  await window.heading("You are signed out");
  assert.equal(await window.page.evaluate(() => sessionStorage.length), 0);
});

check("the landing page tells what was checked from what is only said", async (window) => {
  await window.page.goto(world.site.origin);
  await window.page.getByText("The signed log has").waitFor();
  const text = await window.text();
  assert.match(text, /3 of 4 custodians/);
  assert.match(text, /3 custodians vote; 3 are needed/);
  assert.match(text, /custodian-4\s+not connected\s+never/);
  await window.inspect("index");
  world.gateway.state.lies = { status: {}, anchor: (answer) => ({ ...answer, leaf_proof: [] }) };
  await window.page.reload();
  await window.page.getByText("it is unknown").waitFor();
  assert.match(await window.text(), /No signed log could be had or checked/);
  await window.inspect("index-unknown");
});

check("a gateway that is down is said so, and silence is no good news", async (window) => {
  world.gateway.state.lies = { isDown: true };
  await window.page.goto(world.site.origin);
  await window.page.getByText("it is unknown").waitFor();
  await window.authorize();
  await window.heading("Something went wrong");
  assert.match(await window.text(), /Too few custodians answer/);
  await window.inspect("authorize-down");
});

for (const scheme of /** @type {const} */ (["light", "dark"])) {
  check(
    `the account page on a phone, ${scheme}, in German`,
    async (window) => {
      const { sub } = await window.addUser("quirin");
      issueOld(sub, "web", 2);
      await window.touch(true);
      await window.page.goto(`${world.site.origin}/account`);
      await window.press("Anmelden");
      await window.page.getByRole("heading", { name: "Ihre Token" }).waitFor();
      await window.page.getByText(/Einträgen? (durchsucht|geprüft)|wurde durchsucht/).waitFor();
      await window.page.getByRole("heading", { name: "Notebook" }).waitFor();
      await window.page.locator("summary").nth(1).click();
      await window.inspect(`account-german-phone-${scheme}`);
      await window.page.goto(await invite());
      await window.heading("Ihren Passkey einrichten");
      await window.inspect(`enrol-german-phone-${scheme}`);
      await window.page.goto(world.site.origin);
      await window.page.getByText("Das signierte Protokoll hat").waitFor();
      await window.inspect(`index-german-phone-${scheme}`);
    },
    { locale: "de-DE", colorScheme: scheme, viewport: { width: 360, height: 740 } },
  );
}
