// What tests ask the gateway directly, as any client could.

import { once } from "node:events";
import { connect } from "node:net";

import { GATEWAY } from "./system.js";

/**
 * @param {Record<string, string>} form
 * @param {Record<string, string>} [headers]
 */
export async function token(form, headers = {}) {
  const response = await fetch(`${GATEWAY}/token`, { method: "POST", body: new URLSearchParams(form), headers });
  return { status: response.status, headers: response.headers, body: /** @type {any} */ (await response.json()) };
}

/** @param {string} accessToken */
export async function userinfo(accessToken) {
  const response = await fetch(`${GATEWAY}/userinfo`, { headers: { authorization: `Bearer ${accessToken}` } });
  return {
    status: response.status,
    challenge: response.headers.get("www-authenticate") ?? "",
    body: /** @type {any} */ (await response.json()),
  };
}

/**
 * The claims of a token whose signature somebody else checks.
 * @param {string} jwt
 * @returns {any}
 */
export function claimsOf(jwt) {
  return JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
}

/** @param {string} jwt @returns {number} index of the token's leaf */
export function indexOf(jwt) {
  return Number(claimsOf(jwt).tlx.split("/")[1]);
}

/**
 * The same token request many times at once: every connection stands and lacks its last byte before the first one gets it, so that no
 * request waits for the answer to another.
 * @param {Record<string, string>} form
 * @param {number} count
 * @returns {Promise<Promise<{ status: number, body: any }>[]>} the answers, each as it comes
 */
export async function tokensAtOnce(form, count) {
  const { hostname, port } = new URL(GATEWAY);
  const body = new URLSearchParams(form).toString();
  const head = [
    "POST /token HTTP/1.1",
    `host: ${hostname}:${port}`,
    "content-type: application/x-www-form-urlencoded",
    `content-length: ${body.length}`,
    "connection: close",
  ];
  const begun = `${head.join("\r\n")}\r\n\r\n${body.slice(0, -1)}`;
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      await once(socket, "connect");
      await new Promise((resolve) => socket.write(begun, resolve));
      return socket;
    }),
  );
  const answers = sockets.map(async (socket) => {
    const chunks = [];
    for await (const chunk of socket) chunks.push(chunk);
    const [headers = "", text = ""] = Buffer.concat(chunks).toString().split("\r\n\r\n");
    return { status: Number(headers.split(" ")[1]), body: JSON.parse(text) };
  });
  for (const socket of sockets) socket.write(body.slice(-1));
  return answers;
}
