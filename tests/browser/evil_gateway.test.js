// A gateway that lies to the page: every answer about clients and anchors is changed on the way. The page must stop, say so, go
// nowhere and ask for no passkey.

import assert from "node:assert/strict";

import { appOfTests } from "./app.js";
import { RelyingParty } from "./relying_party.js";
import { GATEWAY, ISSUER, invite } from "./system.js";
import { check } from "./window.js";

/** @typedef {import("./window.js").Window} Window */
/** @typedef {(answer: any) => unknown} Lie what the page gets in place of the gateway's answer */

const app = appOfTests();

/** @param {string} text base64url @param {number} [at] */
function flip(text, at = 10) {
  const bytes = Buffer.from(text, "base64url");
  bytes[at] = /** @type {number} */ (bytes[at]) ^ 1;
  return bytes.toString("base64url");
}

/**
 * A record in which one text stands for another one of the same length.
 * @param {string} record base64url
 * @param {string} from
 * @param {string} to
 */
function replaced(record, from, to) {
  const bytes = Buffer.from(record, "base64url");
  const at = bytes.indexOf(from);
  assert.ok(at >= 0 && from.length === to.length, `${from} does not stand in the record`);
  bytes.write(to, at);
  return bytes.toString("base64url");
}

/** A checkpoint whose log signature has one bit turned. @param {string} note */
function missigned(note) {
  return note.replace(/^(— \S+ )(\S+)$/gm, (_, head, signature) => {
    const bytes = Buffer.from(signature, "base64");
    bytes[20] = /** @type {number} */ (bytes[20]) ^ 1;
    return head + bytes.toString("base64");
  });
}

/** @param {string} note @param {(lines: string[]) => string[]} change of origin, size and root */
function rewritten(note, change) {
  const [text = "", ...signatures] = note.split("\n\n");
  return [change(text.split("\n")).join("\n"), ...signatures].join("\n\n");
}

/**
 * @param {Window} window
 * @param {string} path of the gateway
 * @param {Lie} lie
 */
async function lieAbout(window, path, lie) {
  await window.page.route(`${GATEWAY}${path}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: lie(await response.json()) });
  });
}

const NAME = "Notebook of Ada";

/** @param {string} clientId @param {any} other an answer about another client @param {any} older an answer from before @returns {[string, RegExp, Lie][]} */
function lies(clientId, other, older) {
  const notDecided = /not what was decided and logged/;
  const unsigned = /signature is missing or does not verify/;
  const notInLog = /not in the signed log/;
  return [
    ["false name", notDecided, (answer) => ({ ...answer, record: replaced(answer.record, NAME, "Your own bank!!") })],
    ["false address", notDecided, (answer) => ({ ...answer, record: replaced(answer.record, "/cb", "/xx") })],
    ["forged registry proof", notDecided, (answer) => ({ ...answer, record_proof: answer.record_proof.map((/** @type {string} */ one) => flip(one)) })],
    ["no registry proof", notDecided, (answer) => ({ ...answer, record_proof: [] })],
    ["place of another record", notDecided, (answer) => ({ ...answer, record_index: answer.record_index ^ 1 })],
    ["another salt", notDecided, (answer) => ({ ...answer, salt: flip(answer.salt) })],
    ["another client’s record under its own proof", notDecided, () => other],
    ["another client’s record in this one’s place", notDecided, (answer) => ({ ...answer, record: other.record })],
    ["signature with a bit turned", unsigned, (answer) => ({ ...answer, checkpoint: missigned(answer.checkpoint) })],
    ["no signature", unsigned, (answer) => ({ ...answer, checkpoint: `${answer.checkpoint.split("\n\n")[0]}\n\n` })],
    ["older root under this signature", unsigned, (answer) => ({
      ...answer,
      checkpoint: rewritten(answer.checkpoint, ([origin = "", size = ""]) => [origin, size, older.checkpoint.split("\n")[2]]),
    })],
    ["another size", unsigned, (answer) => ({
      ...answer,
      checkpoint: rewritten(answer.checkpoint, ([origin = "", size = "", root = ""]) => [origin, String(Number(size) + 1), root]),
    })],
    ["another log", unsigned, (answer) => ({ ...answer, checkpoint: answer.checkpoint.replaceAll("/log/1", "/log/2") })],
    ["older checkpoint with this leaf", notInLog, (answer) => ({ ...answer, checkpoint: older.checkpoint })],
    ["leaf of its own", notInLog, (answer) => ({ ...answer, leaf: flip(answer.leaf, 100) })],
    ["short leaf", notInLog, (answer) => ({ ...answer, leaf: "AAAA" })],
    ["forged leaf proof", notInLog, (answer) => ({ ...answer, leaf_proof: answer.leaf_proof.map((/** @type {string} */ one) => flip(one)) })],
    ["no leaf proof", notInLog, (answer) => ({ ...answer, leaf_proof: [] })],
    ["record left out", notDecided, ({ checkpoint, leaf, leaf_proof: proof }) => ({ checkpoint, leaf, leaf_proof: proof })],
    ["nothing readable", /cannot be read/, () => []],
    ["words in place of bytes", /signature is missing|cannot be read/, () => ({ checkpoint: 7, record: "?", name: clientId })],
  ];
}

check("every lie about a client stops the page", async (window) => {
  await window.enrol("careful");
  const party = await RelyingParty.register(app, "none", "--silent", "--name", NAME);
  const record = async (/** @type {string} */ id) => (await fetch(`${GATEWAY}/registry/client/${id}`)).json();
  const older = await record(party.id);
  await party.signIn(window);
  const other = await record("demo-app");
  // The passkey would answer at once, and a session even without it: only the page's own doubts hold them back.
  await window.touch(true);
  const before = app.arrivals.length;
  for (const [name, words, lie] of lies(party.id, other, older)) {
    await lieAbout(window, `/registry/client/${party.id}`, lie);
    /** @type {string[]} */
    const handedOver = [];
    await window.page.route(`${GATEWAY}/grants`, (route) => {
      handedOver.push(route.request().postData() ?? "");
      return route.abort();
    });
    for (const prompt of ["login", "none"]) {
      const { url } = await party.begin({ prompt });
      await window.visit(url);
      await window.heading("This page stopped");
      assert.match(await window.alert(), words, name);
      assert.equal(window.page.url(), url.href, name);
      assert.equal(await window.askedForPasskey(), 0, name);
    }
    assert.deepEqual(handedOver, [], name);
    await window.page.unrouteAll({ behavior: "wait" });
  }
  assert.equal(app.arrivals.length, before);
  // Without a lie the same request is answered.
  assert.ok((await party.signIn(window)).access_token);
});

check("a record that is withheld is no client, and silence is no consent", async (window) => {
  await window.enrol("waiting");
  const party = await RelyingParty.register(app, "none", "--silent");
  await party.signIn(window);
  await window.touch(true);
  const before = app.arrivals.length;
  /** @type {[number, RegExp][]} */
  const answers = [
    [404, /is not registered with this issuer/],
    [500, /something went wrong|does not answer|did not take/i],
    [503, /Too few custodians answer/],
    [200, /signature is missing|cannot be read|does not understand|did not take/],
  ];
  for (const [status, words] of answers) {
    await window.page.route(`${GATEWAY}/registry/**`, (route) => route.fulfill({ status, json: {} , headers: { "access-control-allow-origin": "*" } }));
    await window.visit((await party.begin({ prompt: "none" })).url);
    assert.match(await window.alert(), words, String(status));
    assert.equal(await window.askedForPasskey(), 0);
    await window.page.unrouteAll({ behavior: "wait" });
  }
  await window.page.route(`${GATEWAY}/registry/**`, (route) => route.abort());
  await window.visit((await party.begin({ prompt: "none" })).url);
  assert.match(await window.alert(), /does not answer/);
  await window.page.unrouteAll({ behavior: "wait" });
  assert.equal(app.arrivals.length, before);
});

check("what the page was shown once does not become older", async (window) => {
  const party = await RelyingParty.register(app, "none", "--name", NAME);
  await window.page.clock.install();
  const older = await (await fetch(`${GATEWAY}/registry/client/${party.id}`)).json();
  // Another decision makes the log longer.
  await RelyingParty.register(app, "none");
  const { url } = await party.begin();
  await window.visit(url);
  await window.heading(`Sign in to ${NAME}`);
  await lieAbout(window, `/registry/client/${party.id}`, () => older);
  await window.page.clock.runFor(130_000);
  await window.heading("This page stopped");
  assert.match(await window.alert(), /older or different log/);
  assert.equal(window.page.url(), url.href);
});

check("the account page believes no false anchor", async (window) => {
  await window.enrol("anchored");
  await window.openAccount();
  const older = await (await fetch(`${GATEWAY}/anchor`)).json();
  const party = await RelyingParty.register(app, "none");
  await party.signIn(window);
  /** @type {[string, RegExp, Lie][]} */
  const cases = [
    ["signature with a bit turned", /signature is missing or does not verify/, (answer) => ({ ...answer, checkpoint: missigned(answer.checkpoint) })],
    ["older checkpoint with this leaf", /not in the signed log/, (answer) => ({ ...answer, checkpoint: older.checkpoint })],
    ["leaf of its own", /not in the signed log/, (answer) => ({ ...answer, leaf: flip(answer.leaf, 100) })],
  ];
  await window.touch(true);
  for (const [name, words, lie] of cases) {
    await lieAbout(window, "/anchor", lie);
    await window.visit(`${ISSUER}/account`);
    await window.heading("This page stopped");
    assert.match(await window.alert(), words, name);
    assert.equal(await window.askedForPasskey(), 0, name);
    await window.page.unrouteAll({ behavior: "wait" });
  }
});

check("an older anchor or checkpoint does not hide a person’s newest tokens", async (window) => {
  await window.enrol("newest");
  const older = await (await fetch(`${GATEWAY}/anchor`)).json();
  const url = `${GATEWAY}/log/1/checkpoint`;
  const checkpoint = await (await fetch(url)).text();
  // True, but from before this sign-in: the page's own tokens tell it that the log is longer.
  await lieAbout(window, "/anchor", () => older);
  await window.openAccount();
  await window.page.locator(".card").getByRole("heading", { name: "Your account" }).waitFor();
  assert.doesNotMatch(await window.text(), /behind what is signed/);
  await window.page.route(url, (route) => route.fulfill({ body: checkpoint, headers: { "access-control-allow-origin": "*" } }));
  await window.visit(`${ISSUER}/account`);
  await window.page.getByText("behind what is signed").waitFor();
});

check("an enrolment page believes no false invitation", async (window) => {
  const person = await invite("invitee");
  const other = await invite("other");
  await window.touch(true);
  /** @type {[string, Lie][]} */
  const cases = [
    ["another user’s name", (answer) => ({ ...answer, record: replaced(answer.record, person.preferred_username, other.preferred_username.padEnd(person.preferred_username.length, "x").slice(0, person.preferred_username.length)) })],
    ["no proof", (answer) => ({ ...answer, record_proof: [] })],
    ["signature with a bit turned", (answer) => ({ ...answer, checkpoint: missigned(answer.checkpoint) })],
  ];
  for (const [name, lie] of cases) {
    await lieAbout(window, "/registry/invitation/*", lie);
    await window.visit("about:blank");
    await window.visit(person.link);
    await window.heading("This page stopped");
    assert.equal(await window.askedForPasskey(), 0, name);
    await window.page.unrouteAll({ behavior: "wait" });
  }
  await window.visit("about:blank");
  await window.enrolWith(person.link);
});
