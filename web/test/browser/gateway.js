// The gateway's HTTP API over the tenant of these tests. `lies` alters what it answers, as a taken gateway would.

import { createServer } from "node:http";

import { listen } from "./site.js";
import { Refused } from "./tenant.js";

/** @typedef {import("./tenant.js").Tenant} Tenant */
/**
 * @typedef {object} Lies
 * @property {(answer: any, key: string) => any} [record]
 * @property {(answer: any) => any} [anchor]
 * @property {(path: string, bytes: Buffer) => Buffer} [published]
 * @property {(entries: any[]) => any[]} [openings]
 * @property {(body: any) => { status: number, body: any } | undefined} [grants]
 * @property {boolean} [isDown]
 * @property {any} [status]
 */

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, content-type",
  "cache-control": "no-store",
};

/** @param {Tenant} tenant */
export async function serveGateway(tenant) {
  /** @type {{ lies: Lies, seen: { path: string, body: any }[] }} */
  const state = { lies: {}, seen: [] };
  /** @type {Map<string, string>} */
  const accessTokens = new Map();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    /** @param {number} status @param {any} body */
    const json = (status, body) =>
      response.writeHead(status, { ...CORS, "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.method === "OPTIONS") return response.writeHead(204, CORS).end();
    if (state.lies.isDown) return json(503, { error: "temporarily_unavailable" });
    const text = await readBody(request);
    const isJson = request.headers["content-type"]?.startsWith("application/json") === true;
    const body = isJson ? JSON.parse(text) : new URLSearchParams(text);
    state.seen.push({ path: url.pathname, body });
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const sub = bearer === undefined ? undefined : accessTokens.get(bearer);
    try {
      const path = url.pathname;
      if (path.startsWith("/registry/")) {
        const key = decodeURIComponent(path.slice("/registry/".length));
        const answer = tenant.record(key);
        if (answer === undefined) return json(404, { error: "unknown_record" });
        return json(200, state.lies.record?.(answer, key) ?? answer);
      }
      if (path === "/anchor") return json(200, state.lies.anchor?.(tenant.anchor()) ?? tenant.anchor());
      if (path === "/status") return json(200, state.lies.status ?? status(tenant));
      if (path.startsWith("/log/1/")) return published(tenant, state.lies, path.slice("/log/1/".length), response);
      if (path === "/grants") {
        const lie = state.lies.grants?.(body);
        if (lie !== undefined) return json(lie.status, lie.body);
        tenant.takeGrant(body);
        return json(201, {});
      }
      if (path === "/token") {
        const tokens = tenant.redeem(/** @type {URLSearchParams} */ (body));
        if (tokens === undefined) return json(400, { error: "invalid_grant" });
        const claims = JSON.parse(Buffer.from(tokens.access_token.split(".")[1] ?? "", "base64url").toString());
        accessTokens.set(tokens.access_token, claims.sub);
        return json(200, tokens);
      }
      if (path === "/enrolments") return json(201, tenant.enrol(body));
      if (path === "/revocations") return json(201, tenant.revoke(body));
      if (path.startsWith("/account") && sub === undefined) return json(401, { error: "invalid_token" });
      if (path === "/account") return json(200, account(tenant, /** @type {string} */ (sub)));
      if (path === "/account/entries") {
        const indices = (url.searchParams.get("index") ?? "").split(",").map(Number);
        if (indices.some((index) => tenant.openings.get(index)?.sub !== sub)) return json(403, { error: "not_yours" });
        const { kSubject } = /** @type {any} */ (tenant.users.get(/** @type {string} */ (sub)));
        const entries = indices.map((index) => ({ index, sealed: tenant.sealed(index, kSubject) }));
        return json(200, { entries: state.lies.openings?.(entries) ?? entries });
      }
      return json(404, { error: "not_found" });
    } catch (error) {
      if (error instanceof Refused) return json(403, { error: "refused", refusal: error.refusal });
      return json(500, { error: "server_error", error_description: String(error) });
    }
  });
  const origin = await listen(server, "127.0.0.1");
  return { origin, state, close: () => void server.close() };
}

/** @param {import("node:http").IncomingMessage} request */
async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** @param {Tenant} tenant */
function status(tenant) {
  const custodians = [1, 2, 3, 4].map((custodian) => ({
    custodian,
    name: `custodian-${custodian}`,
    linked: custodian !== 4,
    standing: custodian === 4 ? null : "voting",
    last_seen_ms: custodian === 4 ? 0 : Date.now() - custodian * 1000,
  }));
  return {
    issuer: tenant.issuer,
    demo: true,
    ready: true,
    quorum: { custodians: 4, threshold: 3, faulty: 1 },
    voting: 3,
    custodians,
  };
}

/**
 * @param {Tenant} tenant
 * @param {Lies} lies
 * @param {string} path
 * @param {import("node:http").ServerResponse} response
 */
function published(tenant, lies, path, response) {
  const bytes = path === "checkpoint" ? Buffer.from(tenant.checkpoint()) : tile(tenant, path);
  if (bytes === undefined) return response.writeHead(404, CORS).end();
  return response.writeHead(200, CORS).end(lies.published?.(path, bytes) ?? bytes);
}

/**
 * @param {Tenant} tenant
 * @param {string} path
 */
function tile(tenant, path) {
  const parts = /^tile\/(entries|\d)\/(\d{3})(?:\.p\/(\d+))?$/.exec(path);
  if (parts === null) return undefined;
  const [, level, index = "", width = "256"] = parts;
  const first = Number(index) * 256;
  const row = level === "entries" ? tenant.leaves : (tenant.tree.levels[Number(level) * 8] ?? []);
  const items = row.slice(first, first + Number(width));
  if (items.length < Number(width)) return undefined;
  return Buffer.concat(level === "entries" ? items.flatMap((leaf) => [Uint8Array.of(0, leaf.length), leaf]) : items);
}

/**
 * @param {Tenant} tenant
 * @param {string} sub
 */
function account(tenant, sub) {
  const user = /** @type {any} */ (tenant.users.get(sub));
  const passkeys = [...tenant.passkeys.values()].filter((passkey) => passkey.sub === sub);
  return {
    sub,
    preferred_username: user.userName,
    name: user.displayName,
    email: `${user.userName}@example.org`,
    groups: [],
    passkeys: passkeys.map(({ credentialId, label, index, timeMs }) => ({
      credential_id: credentialId,
      label,
      index,
      time_ms: timeMs,
      revoked: label === "Old phone",
    })),
  };
}
