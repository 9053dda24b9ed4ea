// The account page: what was issued in a person's name, the proofs of it, more passkeys, and "This wasn't me".

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

import { appOfTests } from "./app.js";
import { indexOf, userinfo } from "./gateway.js";
import { RelyingParty } from "./relying_party.js";
import { DATA_DIR, GATEWAY, ISSUER, QUORATE, quorate } from "./system.js";
import { check } from "./window.js";

/** @typedef {import("./window.js").Window} Window */

const app = appOfTests();

/**
 * The card of an app's sign-in.
 * @param {Window} window
 * @param {string} name
 */
function card(window, name) {
  return window.page.locator("section[aria-labelledby=tokens] .card", {
    has: window.page.getByRole("heading", { name, exact: true }),
  });
}

check("every token is listed with its proof, and the proof holds", async (window) => {
  await window.enrol("lister");
  const party = await RelyingParty.register(app, "none", "--silent", "--name", "Notebook");
  /** @type {number[]} */
  const indices = [];
  for (const change of [{}, { prompt: "login" }, {}]) {
    const tokens = await party.signIn(window, change);
    indices.push(indexOf(tokens.access_token), indexOf(tokens.id_token ?? ""));
  }
  await window.openAccount();
  const cards = card(window, "Notebook");
  // Two taps, the second of which was followed by a sign-in from its session.
  await cards.nth(1).waitFor();
  assert.equal(await cards.count(), 2);
  assert.match(await cards.nth(0).innerText(), /Signed in .* with a passkey[\s\S]*4 tokens/);
  assert.match(await cards.nth(1).innerText(), /Signed in .* with a passkey[\s\S]*2 tokens/);
  for (const one of await window.page.locator("section[aria-labelledby=tokens] summary").all()) await one.click();
  const text = await window.text();
  for (const index of indices) assert.match(text, new RegExp(`Log entry ${index}\\b`), String(index));
  assert.equal(await window.page.getByText("Left out by the gateway").count(), 0);
  await window.inspect("account");

  const [download] = await Promise.all([
    window.page.waitForEvent("download"),
    cards.nth(1).getByRole("button", { name: `Download proof: log entry ${indices[0]}` }).click(),
  ]);
  const place = await download.path();
  const file = await readFile(place, "utf8");
  assert.match(file, /^c2sp\.org\/tlog-proof@v1\nextra [A-Za-z0-9+/=]+\nindex \d+\n/);
  assert.equal(/^index (\d+)$/m.exec(file)?.[1], String(indices[0]));
  const leaf = Buffer.from(/^extra (.+)$/m.exec(file)?.[1] ?? "", "base64");
  assert.equal(leaf.length, 139);
  await checkProof(file);
});

/**
 * The proof leads from the leaf to the checkpoint, and that is the log's own.
 * @param {string} file
 */
async function checkProof(file) {
  const [head = "", ...note] = file.split("\n\n");
  const [, , , ...path] = head.split("\n");
  const [origin, size, root] = (note[0] ?? "").split("\n");
  assert.ok(origin && size && root);
  const hash = (/** @type {Uint8Array[]} */ ...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
  const leaf = Buffer.from(/^extra (.+)$/m.exec(file)?.[1] ?? "", "base64");
  // RFC 9162 §2.1.3.2.
  let [at, last] = [Number(/^index (\d+)$/m.exec(file)?.[1]), Number(size) - 1];
  let computed = hash(Buffer.of(0), leaf);
  for (const sibling of path.map((line) => Buffer.from(line, "base64"))) {
    if (at % 2 === 1 || at === last) {
      computed = hash(Buffer.of(1), sibling, computed);
      while (at % 2 === 0 && at !== 0) [at, last] = [at >> 1, last >> 1];
    } else {
      computed = hash(Buffer.of(1), computed, sibling);
    }
    [at, last] = [at >> 1, last >> 1];
  }
  assert.equal(last, 0);
  assert.equal(computed.toString("base64"), root);
  await checkNote(note.join("\n\n"));
}

/**
 * The checkpoint is signed by the log key of the site's own policy (c2sp.org/signed-note).
 * @param {string} note
 */
async function checkNote(note) {
  const policy = await (await fetch(`${ISSUER}/.well-known/quorate/tlog-policy`)).text();
  const vkey = /^log (\S+)/m.exec(policy)?.[1] ?? "";
  const [name = "", hash = "", key = ""] = [vkey.split("+")[0], vkey.split("+")[1], vkey.split("+").slice(2).join("+")];
  const [text = "", signatures = ""] = note.split("\n\n");
  const signed = signatures.split("\n").find((line) => line.startsWith(`— ${name} `)) ?? "";
  const signature = Buffer.from(signed.split(" ")[2] ?? "", "base64");
  assert.equal(signature.subarray(0, 4).toString("hex"), hash);
  const publicKey = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(key, "base64").subarray(1).toString("base64url") },
    format: "jwk",
  });
  assert.ok(verify(null, Buffer.from(`${text}\n`), publicKey, signature.subarray(4)), "the log's signature");
}

check("a second passkey is added by the first, and both sign in", async (window) => {
  const person = await window.enrol("adder");
  const party = await RelyingParty.register(app, "none");
  await window.openAccount();
  const first = window.authenticator;
  const second = await window.plugIn("usb");
  await window.press("Add a passkey");
  await window.page.getByLabel("Name of this passkey").fill("Blue key");
  await window.touch(true, second);
  await window.press("Make a passkey");
  await window.press("Use the new passkey");
  await window.page.getByRole("heading", { name: "Now agree" }).waitFor();
  await window.touch(false, second);
  await window.touch(true, first);
  await window.press("Agree with my passkey");
  await window.page.getByText("The passkey was added, as log entry").waitFor();
  await window.page.getByRole("heading", { name: "Blue key" }).waitFor();
  await window.touch(false, first);
  assert.equal((await window.passkeys(first)).length, 1);
  assert.equal((await window.passkeys(second)).length, 1);
  const { users } = await quorate("user", "list");
  const user = users.find((/** @type {any} */ one) => one.sub === person.sub);
  assert.equal(user.passkeys.length, 2);

  await window.withoutAutofill();
  for (const authenticatorId of [first, second]) {
    window.authenticator = authenticatorId;
    const begun = await party.begin();
    await window.touch(true);
    await window.visit(begun.url);
    await window.heading(/^Sign in to /);
    const { url } = await window.arrivalOf(app, () => window.press("Sign in with a passkey"));
    await window.touch(false);
    assert.equal((await party.redeem(url, begun)).claims()?.sub, person.sub);
  }
  // Every entry is found with either of them: the key to the entries is the user's, not the passkey's.
  await window.openAccount();
  assert.equal(await card(window, party.id).count(), 2);

  // One that was lost is stopped, and the other one still signs in.
  const lost = user.passkeys.find((/** @type {any} */ passkey) => passkey.label === "Blue key");
  await quorate("user", "stop-passkey", lost.id);
  await window.touch(true);
  await window.visit((await party.begin()).url);
  await window.heading(/^Sign in to /);
  await window.press("Sign in with a passkey");
  assert.match(await window.alert(), /This passkey was stopped\. Use another one\./);
  await window.touch(false);
  window.authenticator = first;
  await window.touch(true);
  const begun = await party.begin();
  await window.visit(begun.url);
  await window.heading(/^Sign in to /);
  await window.arrivalOf(app, () => window.press("Sign in with a passkey"));
});

check("“This wasn’t me” stops a sign-in, its tokens and its session", async (window) => {
  await window.enrol("victim");
  const party = await RelyingParty.register(app, "none", "--silent", "--name", "Strange app");
  await window.openAccount();
  // The session that this browser keeps from here on is that of the sign-in in question.
  const tokens = await party.signIn(window, { prompt: "login" });
  const silent = await party.begin({ prompt: "none" });
  assert.ok((await window.arrivalAfter(app, silent.url)).parameters.get("code"));
  assert.equal((await userinfo(tokens.access_token)).status, 200);

  await window.visit(`${ISSUER}/account`);
  await window.page.getByText("The whole log was searched and checked").waitFor();
  const strange = card(window, "Strange app");
  assert.match(await strange.innerText(), /This browser/);
  await window.touch(true);
  await strange.getByRole("button", { name: "This wasn’t me: Strange app" }).click();
  await window.inspect("account-not-me");
  await strange.getByRole("button", { name: "Stop it with my passkey" }).click();
  await strange.getByText("Stopped. The order is log entry").waitFor();
  await window.touch(false);
  const { status, body } = await userinfo(tokens.access_token);
  assert.deepEqual([status, body.error, body.error_description], [401, "invalid_token", "revoked"]);
  const again = await party.begin({ prompt: "none" });
  assert.equal((await window.arrivalAfter(app, again.url)).parameters.get("error"), "login_required");
  // A second order for the same sign-in has nothing left to stop.
  await window.openAccount();
  await window.touch(true);
  await card(window, "Strange app").last().getByRole("button", { name: "This wasn’t me: Strange app" }).click();
  await window.press("Stop it with my passkey");
  assert.match(await window.alert(), /The custodians refused/);
});

check("nobody looks at the entries of others, and no ordinary client at any", async (window) => {
  await window.enrol("owner");
  const party = await RelyingParty.register(app, "none");
  const tokens = await party.signIn(window);
  const own = indexOf(tokens.access_token);
  const entries = async (/** @type {string} */ accessToken, /** @type {string} */ index) => {
    const response = await fetch(`${GATEWAY}/account/entries?index=${index}`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    return { status: response.status, body: await response.json() };
  };
  /** The access token that the account page keeps in its tab. */
  const kept = () =>
    window.page.evaluate(() => /** @type {string} */ (JSON.parse(sessionStorage.getItem("quorate.tokens") ?? "{}").accessToken));
  await window.openAccount();
  const ofOwner = await kept();
  const seen = await entries(ofOwner, String(own));
  assert.deepEqual([seen.status, seen.body.entries.map((/** @type {any} */ entry) => entry.index)], [200, [own]]);

  const ordinary = await entries(tokens.access_token, String(own));
  assert.deepEqual([ordinary.status, ordinary.body.error], [403, "insufficient_scope"]);
  const account = await fetch(`${GATEWAY}/account`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.equal(account.status, 403);
  assert.equal((await fetch(`${GATEWAY}/account`)).status, 401);
  // Asking for the scope does not give it to a client whose record lacks it.
  const asked = await party.signIn(window, { scope: "openid quorate:account" });
  assert.equal(asked.scope, "openid");

  await window.cdp.send("WebAuthn.clearCredentials", { authenticatorId: window.authenticator });
  await window.visit(`${ISSUER}/account`);
  await window.page.getByText("The whole log was searched and checked").waitFor();
  await window.press("Sign out");
  await window.heading("You are signed out");
  await window.enrol("nosy");
  await window.openAccount();
  const ofOther = await kept();
  assert.notEqual(ofOther, ofOwner);
  for (const index of [String(own), `${own + 1}`, "0", `${indexOf(ofOther)},${own}`]) {
    const refused = await entries(ofOther, index);
    assert.deepEqual([refused.status, refused.body.entries], [403, undefined], index);
  }
  assert.equal((await entries(ofOther, String(indexOf(ofOther)))).status, 200);
  assert.equal((await entries(ofOther, "x")).status, 400);
  assert.equal((await entries(ofOther, Array.from({ length: 65 }, () => "1").join(","))).status, 400);
});

check("a token verifies on the command line, from what is public alone", async (window) => {
  await window.enrol("verifier");
  const party = await RelyingParty.register(app, "none");
  const { access_token: accessToken } = await party.signIn(window);
  const run = promisify(execFile);
  const { stdout } = await run(QUORATE, ["verify", accessToken, "--data-dir", DATA_DIR, "--json"]);
  assert.equal(JSON.parse(stdout).valid, true);
  const [signed = "", signature = ""] = [accessToken.slice(0, accessToken.lastIndexOf(".")), accessToken.split(".")[2]];
  const flipped = (signature.startsWith("A") ? "B" : "A") + signature.slice(1);
  await assert.rejects(run(QUORATE, ["verify", `${signed}.${flipped}`, "--data-dir", DATA_DIR]));
});
