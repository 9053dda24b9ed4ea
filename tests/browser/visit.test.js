// The first visit: from the invitation to the demonstration's relying party, and out again.

import assert from "node:assert/strict";

import { DEMO, INVITATION, ISSUER, quorate } from "./system.js";
import { check } from "./window.js";

check("an invitation becomes a passkey, the passkey a sign-in, the sign-in a proof, and one can sign out", async (window) => {
  assert.notEqual(INVITATION, "", "up announced no invitation");
  await window.enrolWith(INVITATION);
  assert.match(await window.text(), /entry \d+/);
  assert.equal(new URL(window.page.url()).hash, "", "the seed stays in the address");
  await window.visit(INVITATION);
  await window.heading("This invitation cannot be used");
  assert.match(await window.text(), /was used already, or was withdrawn/);

  await window.withoutAutofill();
  await window.touch(true);
  await window.visit(DEMO);
  await window.page.getByRole("link", { name: "Sign in" }).click();
  await window.heading("Sign in to Quorate demo");
  assert.match(await window.text(), new RegExp(new URL(DEMO).host));
  await window.press("Sign in with a passkey");
  await window.heading("Signed in");
  const proof = window.page.locator("#proof", { hasText: "Verified in this browser" });
  await proof.waitFor();
  const { users } = await quorate("user", "list");
  const demo = users.find((/** @type {any} */ user) => user.preferred_username === "demo");
  const rows = await window.page.locator("table").innerText();
  for (const claim of [demo.sub, "demo@example.org", "Demo Person", ISSUER, "demo-app", "urn:quorate:passkey"])
    assert.ok(rows.includes(claim), `${claim} is not shown: ${rows}`);
  const [, access = "", id = ""] =
    /the access token is leaf (\d+) and the ID token leaf (\d+) of /.exec(await proof.innerText()) ?? [];
  assert.equal(Number(id), Number(access) + 1);
  assert.match(rows, new RegExp(`tlx\\s+1/${id}\\b`));

  await window.page.getByRole("link", { name: "Sign out" }).click();
  await window.heading("A relying party of the demonstration");
  assert.equal(window.page.url(), `${DEMO}/`);
  // The session at the issuer is over, too: the next sign-in needs a press.
  await window.page.getByRole("link", { name: "Sign in" }).click();
  await window.heading("Sign in to Quorate demo");
});
