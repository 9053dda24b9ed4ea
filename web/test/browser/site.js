// Serves web/site as an issuer site, with the headers that a real one has: the import map with the hash of every module, and a policy
// that admits exactly these modules and nothing inline but the map.

import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { createServer } from "node:http";

const SITE = new URL("../../site/", import.meta.url);
const PAGES = new Map([
  ["/", "index.html"],
  ["/authorize", "authorize.html"],
  ["/enrol", "enrol.html"],
  ["/account", "account.html"],
  ["/logout", "logout.html"],
]);
const KINDS = new Map([
  ["html", "text/html; charset=utf-8"],
  ["js", "text/javascript; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["svg", "image/svg+xml"],
]);

/**
 * Ways in which a test can make the host worse than it must be.
 * @typedef {{ hasNoFramePolicy: boolean, alteredModule: string | undefined }} Weaknesses
 */

/** @param {string | Uint8Array} bytes */
const hash = (bytes) => `sha256-${createHash("sha256").update(bytes).digest("base64")}`;

async function importMap() {
  const names = (await readdir(new URL("js/", SITE))).filter((name) => name.endsWith(".js")).sort();
  const hashes = await Promise.all(
    names.map(async (name) => [`/js/${name}`, hash(await readFile(new URL(`js/${name}`, SITE)))]),
  );
  return JSON.stringify({ integrity: Object.fromEntries(hashes) });
}

/**
 * @param {string} map
 * @param {string} gateway
 */
function policy(map, gateway) {
  const modules = Object.values(JSON.parse(map).integrity).map((one) => `'${one}'`);
  return [
    "default-src 'none'",
    `script-src '${hash(map)}' ${modules.join(" ")}`,
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${gateway}`,
    "form-action https: http:",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

/**
 * @param {() => { files: Record<string, string>, gateway: string }} derived the files that come from the log, and the gateway's address
 * @returns {Promise<{ origin: string, close: () => void, weaken: Weaknesses }>}
 */
export async function serveSite(derived) {
  /** @type {Weaknesses} */
  const weaken = { hasNoFramePolicy: false, alteredModule: undefined };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const { files, gateway } = derived();
    const map = await importMap();
    const headers = {
      "content-security-policy": weaken.hasNoFramePolicy
        ? policy(map, gateway).replace("frame-ancestors 'none'; ", "")
        : policy(map, gateway),
      "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    };
    if (path in files) return response.writeHead(200, { ...headers, "content-type": "text/plain" }).end(files[path]);
    const name = PAGES.get(path) ?? path.slice(1);
    const bytes = /^[a-z_]+\.(html|css|svg)$|^js\/[a-z0-9_]+\.js$/.test(name)
      ? await readFile(new URL(name, SITE)).catch(() => undefined)
      : undefined;
    if (bytes === undefined) return response.writeHead(404, headers).end("not found\n");
    const kind = KINDS.get(name.split(".").at(-1) ?? "") ?? "";
    const body = kind.startsWith("text/html")
      ? bytes.toString().replace("<!-- importmap -->", `<script type="importmap">${map}</script>`)
      : bytes;
    response.writeHead(200, { ...headers, "content-type": kind });
    return response.end(name === weaken.alteredModule ? `${body}\n` : body);
  });
  const origin = await listen(server, "localhost");
  return { origin, close: () => void server.close(), weaken };
}

/**
 * @param {import("node:http").Server} server
 * @param {string} host
 * @returns {Promise<string>}
 */
export function listen(server, host) {
  return new Promise((resolve) => {
    server.listen(0, host, () => {
      const address = /** @type {import("node:net").AddressInfo} */ (server.address());
      resolve(`http://${host}:${address.port}`);
    });
  });
}
