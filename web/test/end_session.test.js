// Logout requests as a table.

import assert from "node:assert/strict";
import { test } from "node:test";

import { judgeLogout, logoutClient } from "../site/js/end_session.js";
import { readParameters } from "../site/js/request.js";

/** @type {any} */
const CLIENT = {
  clientId: "web",
  postLogoutRedirectUris: [
    "https://app.example.org/bye",
    "org.example.app:/bye",
    "javascript:alert(1)",
    "http://127.0.0.1/bye",
  ],
  suspended: false,
};
const HINT = { aud: "web" };
const BYE = "post_logout_redirect_uri=https://app.example.org/bye";

test("who is asked, where the browser goes, and what is wrong", () => {
  /** @type {[string, any, any, boolean, string | undefined, string | undefined][]} */
  const cases = [
    ["", undefined, undefined, true, undefined, undefined],
    ["", HINT, CLIENT, false, undefined, undefined],
    ["client_id=web", undefined, CLIENT, true, undefined, undefined],
    [BYE, HINT, CLIENT, false, "https://app.example.org/bye", undefined],
    [`client_id=web&${BYE}`, HINT, CLIENT, false, "https://app.example.org/bye", undefined],
    [`client_id=web&${BYE}`, undefined, CLIENT, true, "https://app.example.org/bye", undefined],
    ["post_logout_redirect_uri=org.example.app:/bye", HINT, CLIENT, false, "org.example.app:/bye", undefined],
    ["", "bad", undefined, true, undefined, "hint"],
    [BYE, "bad", CLIENT, true, undefined, "hint"],
    [BYE, undefined, undefined, true, undefined, "address"],
    ["client_id=nobody", undefined, undefined, true, undefined, "client"],
    [`client_id=other&${BYE}`, HINT, undefined, true, undefined, "client"],
    [BYE, HINT, { ...CLIENT, suspended: true }, true, undefined, "client"],
    [`${BYE}?x`, HINT, CLIENT, true, undefined, "address"],
    [`${BYE}/`, HINT, CLIENT, true, undefined, "address"],
    [`${BYE}&${BYE}`, HINT, CLIENT, true, undefined, "address"],
    [`${BYE}&state=1&state=2`, HINT, CLIENT, true, undefined, "address"],
    ["post_logout_redirect_uri=javascript:alert(1)", HINT, CLIENT, true, undefined, "address"],
    // Ports of loopback literals are for sign-in answers of native apps only.
    ["post_logout_redirect_uri=http://127.0.0.1:8/bye", HINT, CLIENT, true, undefined, "address"],
  ];
  for (const [query, hint, client, mustAsk, target, problem] of cases) {
    const parameters = readParameters(new URLSearchParams(query));
    assert.deepEqual(judgeLogout(parameters, hint, client), { mustAsk, target, problem }, query);
  }
});

test("the client of a logout request", () => {
  const client = (/** @type {string} */ query, /** @type {any} */ hint) =>
    logoutClient(readParameters(new URLSearchParams(query)), hint);
  assert.equal(client("", undefined), undefined);
  assert.equal(client("client_id=web", undefined), "web");
  assert.equal(client("", HINT), "web");
  assert.equal(client("client_id=web", HINT), "web");
  assert.equal(client("client_id=other", HINT), undefined);
  assert.equal(client("client_id=web", "bad"), "web");
});
