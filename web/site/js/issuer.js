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

/** A file of this site is missing or wrong. No server and no person is at fault but who runs the site. */
export class SiteTrouble extends Error {
  /**
   * @param {string} path
   * @param {unknown} cause
   */
  constructor(path, cause) {
    super(`${path} is not what it must be`, { cause });
    this.name = "SiteTrouble";
  }
}

/** @returns {Promise<Issuer>} */
export async function loadIssuer() {
  const discovery = own(DISCOVERY, (text) => {
    const { issuer, token_endpoint: endpoint } = members(JSON.parse(text));
    // The page belongs to the issuer that it was loaded from and to no other.
    if (issuer !== location.origin) throw new Malformed("a discovery document of this origin");
    return new Gateway(gatewayUrl(textOf(endpoint)));
  });
  const [gateway, policy] = await Promise.all([discovery, own(POLICY, readPolicy)]);
  return { issuer: location.origin, gateway, policy };
}

/**
 * The issuer's own key set.
 * @returns {Promise<unknown>}
 */
export function loadKeys() {
  return own(JWKS, JSON.parse);
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

/**
 * @template T
 * @param {string} path
 * @param {(text: string) => T | Promise<T>} read
 * @returns {Promise<T>}
 */
async function own(path, read) {
  const response = await fetch(path, { credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" }).catch(
    () => {
      throw new GatewayError(0, "unreachable");
    },
  );
  try {
    if (!response.ok) throw new Malformed(`a file that is there (${response.status})`);
    return await read(await response.text());
  } catch (error) {
    if (error instanceof DOMException) throw error;
    throw new SiteTrouble(path, error);
  }
}
