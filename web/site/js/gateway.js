// The gateway's HTTP API (docs/spec/person.md). It answers, and nothing that it answers is believed before it was checked.

import { fromBase64url, toBase64url } from "./base64.js";
import { concat } from "./bytes.js";
import { members, textOf } from "./json.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {ReturnType<typeof import("./passkey.js").writeTap>} WrittenTap */

/** Longest wait for an answer, milliseconds: two trips to custodians and a second set of signers fit well. */
const PATIENCE_MS = 20_000;
/** Largest answer that is read, bytes: a full tile of hashes takes 8 KiB, one of entries 36 KiB, 64 openings less than this. */
const MAX_ANSWER = 4 * 1024 * 1024;

/** The gateway did not do what it was asked. */
export class GatewayError extends Error {
  /**
   * @param {number} status of HTTP; 0 if there was no answer at all
   * @param {string} code `error` of the answer
   * @param {string} [refusal] code of the custodians' refusal
   */
  constructor(status, code, refusal) {
    super(`the gateway answers ${status} ${code}${refusal === undefined ? "" : ` (${refusal})`}`);
    this.name = "GatewayError";
    this.status = status;
    this.code = code;
    this.refusal = refusal;
  }

  /** Whether the same may well work a little later. */
  get isPassing() {
    return this.status === 0 || this.status >= 500;
  }
}

export class Gateway {
  /** @param {string} url without a slash at its end */
  constructor(url) {
    this.url = url;
  }

  /**
   * The last certified checkpoint with its last leaf; to be checked by `anchor.js`.
   * @returns {Promise<unknown>}
   */
  anchor() {
    return this.json("/anchor");
  }

  /**
   * A registry record with its proof; to be checked by `registry.js`.
   * @param {string} key
   * @returns {Promise<unknown>}
   */
  record(key) {
    return this.json(`/registry/${key.split("/").map(encodeURIComponent).join("/")}`);
  }

  /** @param {WrittenTap & { grant: string } | { grant: string, signature: string, tap: WrittenTap & { grant: string } }} evidence */
  async grant(evidence) {
    await this.post("/grants", evidence);
  }

  /**
   * @param {object} enrolment
   * @param {Bytes} enrolment.statement
   * @param {Bytes} [enrolment.seedSignature]
   * @param {WrittenTap} [enrolment.tap]
   * @param {WrittenTap} enrolment.credential
   */
  async enrol({ statement, seedSignature, tap, credential }) {
    const body = {
      statement: toBase64url(statement),
      ...(seedSignature === undefined ? {} : { seed_signature: toBase64url(seedSignature) }),
      ...(tap === undefined ? {} : { tap }),
      credential,
    };
    return members(await this.post("/enrolments", body));
  }

  /**
   * @param {Bytes} statement
   * @param {WrittenTap} tap
   */
  async revoke(statement, tap) {
    return members(await this.post("/revocations", { statement: toBase64url(statement), tap }));
  }

  /**
   * Redeems a code as a public client (RFC 6749 §4.1.3, RFC 7636 §4.5).
   * @param {Record<string, string>} form
   */
  async token(form) {
    return members(await this.json("/token", { method: "POST", body: new URLSearchParams(form) }));
  }

  /** @param {string} accessToken */
  async account(accessToken) {
    return members(await this.json("/account", bearer(accessToken)));
  }

  /**
   * Openings sealed to the subject, by index; those that the gateway leaves out are not there.
   * @param {string} accessToken
   * @param {readonly number[]} indices at most 64
   * @returns {Promise<Map<number, Bytes>>}
   */
  async openings(accessToken, indices) {
    const { entries } = members(await this.json(`/account/entries?index=${indices.join(",")}`, bearer(accessToken)));
    /** @type {Map<number, Bytes>} */
    const openings = new Map();
    for (const entry of Array.isArray(entries) ? entries : []) {
      const { index, sealed } = members(entry);
      if (typeof index === "number") openings.set(index, fromBase64url(textOf(sealed)));
    }
    return openings;
  }

  /** Where the custodians stand, as the gateway says; nothing proves it. */
  async status() {
    return members(await this.json("/status"));
  }

  /**
   * The newest published checkpoint, as a signed note.
   * @param {number} log
   */
  async checkpoint(log) {
    const bytes = await this.published(log, "checkpoint");
    if (bytes === undefined) throw new GatewayError(404, "no_checkpoint");
    return new TextDecoder().decode(bytes);
  }

  /**
   * A file of the published log; undefined if there is none.
   * @param {number} log
   * @param {string} path
   * @returns {Promise<Bytes | undefined>}
   */
  async published(log, path) {
    const response = await this.fetch(`/log/${log}/${path}`);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new GatewayError(response.status, "log");
    return readBounded(response);
  }

  /**
   * @param {string} path
   * @param {unknown} body
   */
  post(path, body) {
    const headers = { "content-type": "application/json" };
    return this.json(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   * @returns {Promise<unknown>}
   */
  async json(path, init) {
    const response = await this.fetch(path, init);
    const text = new TextDecoder().decode(await readBounded(response));
    /** @type {unknown} */
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new GatewayError(response.status, "not_json");
    }
    if (response.ok) return answer;
    const { error, refusal } = /** @type {Record<string, unknown>} */ (answer ?? {});
    throw new GatewayError(response.status, String(error), typeof refusal === "string" ? refusal : undefined);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async fetch(path, init = {}) {
    try {
      return await fetch(this.url + path, {
        ...init,
        credentials: "omit",
        referrerPolicy: "no-referrer",
        redirect: "error",
        // Tiles never change and may be kept; everything else is asked for anew.
        cache: path.startsWith("/log/") ? "default" : "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
    } catch {
      throw new GatewayError(0, "unreachable");
    }
  }
}

/** @param {string} accessToken */
function bearer(accessToken) {
  return { headers: { authorization: `Bearer ${accessToken}` } };
}

/**
 * @param {Response} response
 * @returns {Promise<Bytes>}
 */
async function readBounded(response) {
  /** @type {Bytes[]} */
  const chunks = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const step = await reader?.read().catch(() => {
      throw new GatewayError(0, "unreachable");
    });
    if (step?.value === undefined) return concat(...chunks);
    length += step.value.length;
    if (length > MAX_ANSWER) throw new GatewayError(response.status, "too_large");
    chunks.push(step.value);
  }
}
