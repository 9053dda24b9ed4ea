// What the pages make of the gateway's answers, whatever they are.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { hex } from "../site/js/bytes.js";
import { Gateway, GatewayError } from "../site/js/gateway.js";

/** @type {{ status: number, body: string | Uint8Array, headers?: Record<string, string> }} */
let next = { status: 200, body: "{}" };
/** @type {{ method: string, path: string, headers: import("node:http").IncomingHttpHeaders, body: string }[]} */
const seen = [];
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  seen.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers, body });
  response.writeHead(next.status, next.headers).end(next.body);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
after(() => server.close());
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const gateway = new Gateway(`http://127.0.0.1:${port}`);

test("answers that are no good become errors that say which", async () => {
  /** @type {[typeof next, number, string, string | undefined, boolean][]} */
  const cases = [
    [{ status: 404, body: '{"error":"unknown_record"}' }, 404, "unknown_record", undefined, false],
    [{ status: 403, body: '{"error":"refused","refusal":"expired"}' }, 403, "refused", "expired", false],
    [{ status: 403, body: '{"error":"refused","refusal":1}' }, 403, "refused", undefined, false],
    [{ status: 409, body: '{"error":"code_taken"}' }, 409, "code_taken", undefined, false],
    [{ status: 503, body: '{"error":"temporarily_unavailable"}' }, 503, "temporarily_unavailable", undefined, true],
    [{ status: 502, body: "<html>" }, 502, "not_json", undefined, true],
    [{ status: 200, body: "<html>" }, 200, "not_json", undefined, false],
    [{ status: 500, body: "null" }, 500, "undefined", undefined, true],
    [{ status: 302, body: "", headers: { location: "/elsewhere" } }, 0, "unreachable", undefined, true],
    [{ status: 200, body: `"${"x".repeat(4 * 1024 * 1024)}"` }, 200, "too_large", undefined, false],
  ];
  for (const [answer, status, code, refusal, isPassing] of cases) {
    next = answer;
    await assert.rejects(gateway.anchor(), (/** @type {any} */ error) => {
      assert.ok(error instanceof GatewayError);
      assert.deepEqual([error.status, error.code, error.refusal, error.isPassing], [status, code, refusal, isPassing]);
      return true;
    });
  }
  await assert.rejects(new Gateway("http://127.0.0.1:1").anchor(), /unreachable/);
  next = { status: 200, body: "[]" };
  await assert.rejects(gateway.status(), /malformed/);
});

test("requests are those of the specification", async () => {
  next = { status: 200, body: '{"index":1,"entries":[{"index":7,"sealed":"AQI"},{"index":"8","sealed":"AQI"}]}' };
  const bytes = Uint8Array.of(1, 2);
  const tap = { credential_id: "a", authenticator_data: "b", client_data: "c", signature: "d" };
  await gateway.record("client/a~b");
  await gateway.grant({ grant: "g", ...tap });
  await gateway.enrol({ statement: bytes, seedSignature: bytes, credential: tap });
  await gateway.enrol({ statement: bytes, tap, credential: tap });
  await gateway.revoke(bytes, tap);
  await gateway.token({ grant_type: "authorization_code", code: "x y" });
  const openings = await gateway.openings("token", [7, 8]);
  assert.deepEqual([...openings].map(([index, sealed]) => [index, hex(sealed)]), [[7, "0102"]]);
  const requests = seen.slice(-7).map(({ method, path, body }) => [method, path, body]);
  const written = JSON.stringify(tap);
  assert.deepEqual(requests, [
    ["GET", "/registry/client/a~b", ""],
    ["POST", "/grants", `{"grant":"g",${written.slice(1)}`],
    ["POST", "/enrolments", `{"statement":"AQI","seed_signature":"AQI","credential":${written}}`],
    ["POST", "/enrolments", `{"statement":"AQI","tap":${written},"credential":${written}}`],
    ["POST", "/revocations", `{"statement":"AQI","tap":${written}}`],
    ["POST", "/token", "grant_type=authorization_code&code=x+y"],
    ["GET", "/account/entries?index=7,8", ""],
  ]);
  assert.equal(seen.at(-1)?.headers.authorization, "Bearer token");
  assert.match(seen.at(-2)?.headers["content-type"] ?? "", /^application\/x-www-form-urlencoded/);
});

test("files of the log that are not there are not there", async () => {
  next = { status: 404, body: "" };
  assert.equal(await gateway.published(1, "tile/0/000"), undefined);
  await assert.rejects(gateway.checkpoint(1), /no_checkpoint/);
  next = { status: 500, body: "" };
  await assert.rejects(gateway.published(1, "tile/0/000"), /500/);
  next = { status: 200, body: Uint8Array.of(1, 2) };
  assert.equal(hex((await gateway.published(1, "tile/0/000")) ?? new Uint8Array(0)), "0102");
  assert.equal(seen.at(-1)?.path, "/log/1/tile/0/000");
});
