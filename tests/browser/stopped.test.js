// What an administrator stopped: people and applications.

import assert from "node:assert/strict";

import { appOfTests } from "./app.js";
import { token, userinfo } from "./gateway.js";
import { RelyingParty } from "./relying_party.js";
import { ISSUER, invite, quorate } from "./system.js";
import { check } from "./window.js";

const app = appOfTests();

check("a person who was stopped is told so, and nothing of theirs works any more", async (window) => {
  const person = await window.enrol("suspended");
  const party = await RelyingParty.register(app, "none", "--silent");
  const tokens = await party.signIn(window);
  const waiting = await party.code(window, { prompt: "login" });
  await quorate("user", "suspend", person.preferred_username);
  assert.equal((await userinfo(tokens.access_token)).status, 401);
  const late = await token(waiting);
  assert.deepEqual([late.status, late.body.error], [400, "invalid_grant"], "a code from before");
  const silent = await party.begin({ prompt: "none" });
  assert.equal((await window.arrivalAfter(app, silent.url)).parameters.get("error"), "login_required");
  await window.withoutAutofill();
  await window.touch(true);
  const before = app.arrivals.length;
  await window.visit((await party.begin()).url);
  await window.heading(/^Sign in to /);
  await window.press("Sign in with a passkey");
  assert.match(await window.alert(), /This account was stopped by an administrator/);
  assert.equal(app.arrivals.length, before);
  assert.equal((await window.passkeys()).length, 1, "the passkey stays: the stop may be lifted");
});

check("an application that was stopped: the page goes nowhere, and its tokens stop", async (window) => {
  await window.enrol("loyal");
  const party = await RelyingParty.register(app, "none", "--silent", "--name", "Stopped app");
  const tokens = await party.signIn(window);
  const waiting = await party.code(window, { prompt: "login" });
  await quorate("client", "suspend", party.id);
  const before = app.arrivals.length;
  for (const prompt of ["login", "none"]) {
    await window.visit((await party.begin({ prompt })).url);
    await window.heading("You cannot sign in from here");
    assert.match(await window.alert(), /was stopped by an administrator/);
    assert.equal(await window.askedForPasskey(), 0);
  }
  assert.equal(app.arrivals.length, before);
  assert.equal((await userinfo(tokens.access_token)).status, 401);
  const late = await token(waiting);
  assert.deepEqual([late.status, late.body.error], [401, "invalid_client"]);
});

check("an application that is stopped while somebody looks at its request gets nothing", async (window) => {
  await window.enrol("looking");
  const party = await RelyingParty.register(app, "none");
  await window.withoutAutofill();
  await window.visit((await party.begin()).url);
  await window.heading(/^Sign in to /);
  await quorate("client", "suspend", party.id);
  const before = app.arrivals.length;
  await window.touch(true);
  await window.press("Sign in with a passkey");
  assert.match(await window.alert(), /stopped by an administrator/);
  assert.equal(app.arrivals.length, before);
});

check("an invitation that was replaced or that nobody made is of no use", async (window) => {
  const person = await invite("lost-link");
  await quorate("user", "suspend", person.preferred_username);
  await window.visit(`${ISSUER}/enrol#${"A".repeat(43)}`);
  await window.heading("This invitation cannot be used");
  await window.visit(`${ISSUER}/enrol`);
  await window.page.getByText("This link is not complete").waitFor();
  // Whoever was stopped does not come back by an older link.
  await window.visit("about:blank");
  await window.visit(person.link);
  await window.settled();
  if ((await window.page.getByRole("button", { name: "Make a passkey" }).count()) > 0) {
    await window.touch(true);
    await window.press("Make a passkey");
    await window.press("Use the new passkey");
    assert.match(await window.alert(), /stopped by an administrator|cannot be used/);
    assert.equal((await window.passkeys()).length, 0, "a passkey that was refused for good is in the way");
  }
});
