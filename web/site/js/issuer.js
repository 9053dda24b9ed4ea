// The own issuer: what stands beside this page on its own origin. The site's files are governed and logged; they name the gateway,
// and they hold the keys under which everything that the gateway says is checked.

import { Malformed } from "./bytes.js";
import { Gateway, GatewayError } from "./gateway.js";
import { members, textOf } from "./json.js";
import { readPolicy } from "./policy.js";

/** @typedef {import("./policy.js").Policy} Policy */
/** @typedef {{ issuer: string, gateway: Gateway, policy: Policy }} Issuer */

const DISCOVERY = "/.well-known/openid-configuration";
const POLICY = "/.well-known/quorate/tlog-policy";
const JWKS = "/jwks.json";

/** @returns {Promise<Issuer>} */
export async function loadIssuer() {
  const [discovery, policy] = await Promise.all([own(DISCOVERY), own(POLICY)]);
  const { issuer, token_endpoint: endpoint } = members(JSON.parse(discovery));
  // The page belongs to the issuer that it was loaded from and to no other.
  if (issuer !== location.origin) throw new Malformed("the discovery document of this site");
  return { issuer: location.origin, gateway: new Gateway(gatewayUrl(textOf(endpoint))), policy: await readPolicy(policy) };
}

/** The issuer's own key set. */
export async function loadKeys() {
  return /** @type {unknown} */ (JSON.parse(await own(JWKS)));
}

/**
 * The token endpoint without `/token`: https, or http on the own machine.
 * @param {string} endpoint
 */
export function gatewayUrl(endpoint) {
  const parsed = new URL(endpoint);
  const isPrivate = parsed.protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(parsed.hostname);
  const parts = /^(https?:\/\/[^?#@]+)\/token$/.exec(endpoint);
  if (!isPrivate || parts === null) throw new Malformed("a token endpoint");
  return /** @type {string} */ (parts[1]);
}

/** @param {string} path */
async function own(path) {
  const response = await fetch(path, { credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" }).catch(() => {
    throw new GatewayError(0, "unreachable");
  });
  if (!response.ok) throw new GatewayError(response.status, "site_file");
  return response.text();
}
