// Where a browser may be sent: the corpus of known tricks with redirect URIs, and what they must not become.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isRegistered, placeOf, wayTo, withParameters } from "../site/js/redirect.js";

test("allowed targets", () => {
  const cases = /** @type {[string, "web" | "app"][]} */ ([
    ["https://app.example.org", "web"],
    ["https://app.example.org/cb", "web"],
    ["https://App.Example.ORG/cb", "web"],
    ["https://app.example.org:8443/a/b;c?x=y&z=%20", "web"],
    ["https://app.example.org?x=1", "web"],
    ["https://[2001:db8::1]/cb", "web"],
    ["https://xn--bcher-kva.example/cb", "web"],
    ["http://127.0.0.1/cb", "web"],
    ["http://127.0.0.1:49152/cb", "web"],
    ["http://[::1]:8080/", "web"],
    ["http://localhost:8410/account", "web"],
    ["org.example.app:/cb", "app"],
    ["app.immich:///oauth-callback", "app"],
    ["oc.ios://ios.owncloud.com", "app"],
  ]);
  for (const [uri, way] of cases) assert.equal(wayTo(uri), way, uri);
});

test("forbidden targets, whatever the registry says", () => {
  const forbidden = [
    "",
    "https:",
    "https://",
    "https:///cb",
    "//app.example.org/cb",
    "/cb",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "javascript.evil:alert(1)//\n",
    "data:text/html,x",
    "data.x/html,x",
    "blob:https://app.example.org/1",
    "vbscript:x",
    "file:///etc/passwd",
    "about:blank",
    "view-source:https://app.example.org",
    "intent://x#Intent;scheme=http;end",
    "ftp://app.example.org/",
    "ws://127.0.0.1/",
    "myapp:/cb",
    "myapp://cb",
    "oc://android.owncloud.com",
    "Org.Example.App:/cb",
    ".app:/cb",
    "org..app:/cb",
    "org.example.app",
    "org.example.app:",
    "org.example.app:/c b",
    "org.example.app:/cb#x",
    "http://app.example.org/cb",
    "http://127.0.0.2/cb",
    "http://127.1/cb",
    "http://0x7f.0.0.1/cb",
    "http://2130706433/cb",
    "http://0177.0.0.1/cb",
    "http://127.0.0.1.evil.test/cb",
    "http://localhost.evil.test/cb",
    "http://localhost./cb",
    "http://[::ffff:127.0.0.1]/cb",
    "http://[0:0:0:0:0:0:0:1]/cb",
    "http://[::1%25lo]/cb",
    "http://[::1/cb",
    "http://::1/cb",
    "https://0x7f.1/cb",
    "https://2130706433/cb",
    "https://[2001:DB8:0::1]/cb",
    "https://app.example.org./cb",
    "https://app.example.org@evil.test/cb",
    "https://user:pass@app.example.org/cb",
    "https://app.example.org@@evil.test/cb",
    "https://@app.example.org/cb",
    "https://app.example.org\\@evil.test/cb",
    "https://app.example.org\\cb",
    "https:\\\\app.example.org/cb",
    "https:/app.example.org/cb",
    "https://app.example.org/cb#",
    "https://app.example.org/cb#fragment",
    "https://app.example.org/c b",
    "https://app.example.org/cb\t",
    "https://app.example.org/cb\r\nx",
    "https://app.example.org/cb\u0000",
    "https://app.example.org/cb\u00e4",
    "https://bücher.example/cb",
    "https://app。example。org/cb",
    "https://app.example.org:0/cb",
    "https://app.example.org:/cb",
    "https://app.example.org:65536/cb",
    "https://app.example.org:080/cb",
    "https://app%2eexample.org/cb",
    "https://-/<script>",
    `https://app.example.org/${"x".repeat(2048)}`,
  ];
  for (const uri of forbidden) assert.equal(wayTo(uri), undefined, JSON.stringify(uri));
});

test("redirect URIs are compared as texts", () => {
  const registered = ["https://app.example.org/cb", "https://app.example.org/cb2?a=b", "http://localhost/cb"];
  for (const uri of registered) assert.ok(isRegistered(registered, uri, false), uri);
  const others = [
    "https://app.example.org/cb/",
    "https://app.example.org/CB",
    "https://APP.example.org/cb",
    "HTTPS://app.example.org/cb",
    "https://app.example.org:443/cb",
    "https://app.example.org./cb",
    "https://app.example.org/%63b",
    "https://app.example.org/cb%2e",
    "https://app.example.org/x/../cb",
    "https://app.example.org/x/..;/cb",
    "https://app.example.org//cb",
    "https://app.example.org/cb?",
    "https://app.example.org/cb#",
    "https://app.example.org/cb?x=1",
    "https://app.example.org/cb2?a=b&c=d",
    "https://app.example.org@evil.test/cb",
    "https://app.example.org@@evil.test/cb",
    "https://evil.test\\@app.example.org/cb",
    "https://app.example.org.evil.test/cb",
    "https://evil.test/https://app.example.org/cb",
    "https://аpp.example.org/cb",
    " https://app.example.org/cb",
    "https://app.example.org/cb ",
    "https://app.example.org/cb\u0000",
    "http://app.example.org/cb",
    "http://localhost:1/cb",
    "https://app.example.org",
    "",
  ];
  for (const uri of others) assert.ok(!isRegistered(registered, uri, false), JSON.stringify(uri));
});

test("on a loopback address of a native client the port may differ, and nothing else", () => {
  const registered = ["http://127.0.0.1/cb?x=1", "http://[::1]:1234", "https://127.0.0.1/s", "http://localhost/d"];
  for (const uri of ["http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:65535/cb?x=1", "http://[::1]", "http://[::1]:9", "http://localhost:9/d"]) {
    assert.ok(isRegistered(registered, uri, true) && wayTo(uri) === "web", uri);
  }
  const others = [
    "http://127.0.0.1:1/cb",
    "http://127.0.0.1:1/cb?x=2",
    "http://127.0.0.1:1/cb?x=1#",
    "http://127.0.0.1:01/cb?x=1",
    "http://127.0.0.1:/cb?x=1",
    "http://127.0.0.1:1@evil.test/cb?x=1",
    "http://127.0.0.1:1.evil.test/cb?x=1",
    "http://127.0.0.1.evil.test/cb?x=1",
    "http://127.0.0.1\\@evil.test/cb?x=1",
    "http://127.0.0.2:1/cb?x=1",
    "http://127.1:1/cb?x=1",
    "http://localhost:1/cb?x=1",
    "https://127.0.0.1:1/cb?x=1",
    "https://127.0.0.1:1/s",
    "http://[::1]:9/",
    "http://[0:0:0:0:0:0:0:1]:9",
  ];
  for (const uri of others) assert.ok(!isRegistered(registered, uri, true), uri);
  // A port that is none is matched by the rule but never navigated to.
  assert.equal(wayTo("http://127.0.0.1:70000/cb?x=1"), undefined);
  assert.ok(!isRegistered(registered, "http://127.0.0.1:1/cb?x=1", false), "only of a native client");
});

test("random texts never match and are never navigated to as script", () => {
  const alphabet = "htps:/.@#?\\%2e127.0.0.1[::1]localhostjavascriptdata;,&=\t\n ";
  const registered = ["https://app.example.org/cb", "http://127.0.0.1/cb"];
  for (let round = 0; round < 50000; round += 1) {
    const length = 1 + (round % 30);
    const random = crypto.getRandomValues(new Uint8Array(length));
    const uri = Array.from(random, (byte) => alphabet[byte % alphabet.length]).join("");
    assert.ok(!isRegistered(registered, uri, true), uri);
    const way = wayTo(uri);
    if (way === "web") assert.ok(["https:", "http:"].includes(new URL(uri).protocol), uri);
    if (way === "app") assert.ok(new URL(uri).protocol.includes("."), uri);
  }
});

test("responses lengthen the registered URI and leave it as it is", () => {
  const parameters = /** @type {[string, string][]} */ ([
    ["code", "c"],
    ["state", "a b&ä"],
    ["iss", "https://id.example.org"],
  ]);
  const query = "code=c&state=a+b%26%C3%A4&iss=https%3A%2F%2Fid.example.org";
  const cases = [
    ["https://app.example.org/cb", `https://app.example.org/cb?${query}`],
    ["https://app.example.org", `https://app.example.org?${query}`],
    ["https://app.example.org/cb?x=y", `https://app.example.org/cb?x=y&${query}`],
    ["https://app.example.org/cb?", `https://app.example.org/cb?${query}`],
    ["https://app.example.org/cb?x&", `https://app.example.org/cb?x&${query}`],
    ["org.example.app:/cb", `org.example.app:/cb?${query}`],
  ];
  for (const [uri = "", expected] of cases) assert.equal(withParameters(uri, parameters), expected);
  assert.equal(withParameters("https://app.example.org/cb", []), "https://app.example.org/cb");
  assert.equal(placeOf("https://app.example.org:8443/cb"), "app.example.org:8443");
  assert.equal(placeOf("org.example.app:/cb"), "org.example.app");
});
