// Authorization requests (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, RFC 7636, RFC 8707, RFC 9449 §10): read from the page's own
// URL and judged against the client's proved record. Pure: parameters and record in, outcome out.

import { fromBase64urlOf } from "./base64.js";
import { decimal, utf8 } from "./bytes.js";
import { members } from "./json.js";
import { isRegistered, wayTo } from "./redirect.js";

/** @typedef {import("./grant.js").Asked} Asked */
/** @typedef {import("./record.js").Client} Client */
/** @typedef {import("./redirect.js").ResponseMode} ResponseMode */
/** @typedef {{ values: ReadonlyMap<string, string>, twice: ReadonlySet<string> }} RequestParameters */
/** @typedef {{ redirectUri: string, mode: ResponseMode, state: string | undefined }} ReturnAddress */
/** @typedef {{ error: string, description: string }} OAuthError */
/**
 * A request that may be shown to the person.
 * @typedef {object} Request
 * @property {Asked} asked
 * @property {ReturnAddress} returnTo
 * @property {ReadonlySet<string>} prompt
 * @property {string | undefined} idTokenHint to be verified by the caller
 * @property {string | undefined} loginHint
 */
/**
 * `stop`: nothing may be sent anywhere, the page says why. `return`: the error goes to the client. `ask`: the person decides.
 * @typedef {{ kind: "stop", reason: StopReason } | { kind: "return", returnTo: ReturnAddress, error: OAuthError }
 *   | { kind: "ask", request: Request }} Outcome
 */
/**
 * @typedef {"client_id_missing" | "client_id_malformed" | "redirect_uri_missing" | "redirect_uri_unregistered"
 *   | "redirect_uri_forbidden" | "client_suspended"} StopReason
 */

/** Authentication context classes that a person can reach here. */
export const ACR_PASSKEY = "urn:quorate:passkey";
export const ACR_SESSION = "urn:quorate:session";

/** Claims that the `claims` parameter can name, and the scope that also holds each. */
export const CLAIMS_OF_SCOPE = new Map([
  ["profile", ["name", "preferred_username"]],
  ["email", ["email", "email_verified"]],
  ["groups", ["groups"]],
]);
const KNOWN_CLAIMS = new Set([...CLAIMS_OF_SCOPE.values()].flat());
const PROMPTS = new Set(["none", "login", "consent", "select_account"]);
/** Longest nonce, bytes; a grant holds no longer one. */
const MAX_NONCE_BYTES = 512;
/** Request objects and dynamic registration are not for this issuer; OpenID Connect Core §3.1.2.6 names the errors. */
const UNSUPPORTED = new Map([
  ["request", "request_not_supported"],
  ["request_uri", "request_uri_not_supported"],
  ["registration", "registration_not_supported"],
]);

/** An error for the client; thrown within this module and by whoever checks the rest of the request. */
export class ReturnedError extends Error {
  /**
   * @param {string} error code of RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6 or RFC 8707 §2
   * @param {string} description ASCII without quotes and backslashes
   */
  constructor(error, description) {
    super(`${error}: ${description}`);
    this.name = "ReturnedError";
    this.error = error;
    this.description = description;
  }
}

/**
 * Parameters without a value count as absent; names that stand twice are remembered (RFC 6749 §3.1).
 * @param {URLSearchParams} search
 * @returns {RequestParameters}
 */
export function readParameters(search) {
  /** @type {Map<string, string>} */
  const values = new Map();
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {Set<string>} */
  const twice = new Set();
  for (const [name, value] of search) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
    if (value !== "") values.set(name, value);
  }
  for (const name of twice) values.delete(name);
  return { values, twice };
}

/**
 * The client that the request names, or why there is none. Identifiers have characters that mean nothing in URLs.
 * @param {RequestParameters} parameters
 * @returns {{ clientId: string } | { reason: StopReason }}
 */
export function namedClient({ values }) {
  const clientId = values.get("client_id");
  if (clientId === undefined) return { reason: "client_id_missing" };
  const isSound = /^[A-Za-z0-9._~-]{1,64}$/.test(clientId) && !/^\.{1,2}$/.test(clientId);
  return isSound ? { clientId } : { reason: "client_id_malformed" };
}

/**
 * @param {RequestParameters} parameters
 * @param {Client} client the record of the client that the request names, proved
 * @returns {Outcome}
 */
export function judgeRequest(parameters, client) {
  const { values } = parameters;
  const redirectUri = values.get("redirect_uri");
  if (client.suspended) return { kind: "stop", reason: "client_suspended" };
  if (redirectUri === undefined) return { kind: "stop", reason: "redirect_uri_missing" };
  if (!isRegistered(client.redirectUris, redirectUri, client.isNative)) return { kind: "stop", reason: "redirect_uri_unregistered" };
  const way = wayTo(redirectUri);
  if (way === undefined) return { kind: "stop", reason: "redirect_uri_forbidden" };
  const state = values.get("state");
  // Forms can be posted to web servers only, so an app hears of everything in its URI.
  const mode = values.get("response_mode") === "form_post" && way === "web" ? "form_post" : "query";
  const returnTo = /** @type {ReturnAddress} */ ({ redirectUri, mode, state });
  try {
    checkForm(parameters, way);
    return { kind: "ask", request: readRequest(values, client, returnTo) };
  } catch (error) {
    if (!(error instanceof ReturnedError)) throw error;
    return { kind: "return", returnTo, error: { error: error.error, description: error.description } };
  }
}

/**
 * What does not depend on the client.
 * @param {RequestParameters} parameters
 * @param {"web" | "app"} way
 */
function checkForm({ values, twice }, way) {
  if (twice.size > 0) throw invalid("a parameter stands twice");
  for (const [name, error] of UNSUPPORTED) {
    if (values.has(name)) throw new ReturnedError(error, `${name} is not supported here`);
  }
  const type = values.get("response_type");
  if (type === undefined) throw invalid("response_type is missing");
  if (type !== "code") throw new ReturnedError("unsupported_response_type", "response_type must be code");
  const mode = values.get("response_mode") ?? "query";
  if (mode !== "query" && mode !== "form_post") throw invalid("response_mode must be query or form_post");
  if (mode === "form_post" && way === "app") throw invalid("nothing can be posted to this redirect_uri");
}

/**
 * @param {ReadonlyMap<string, string>} values
 * @param {Client} client
 * @param {ReturnAddress} returnTo
 * @returns {Request}
 */
function readRequest(values, client, returnTo) {
  const claims = readClaims(values.get("claims"));
  /** @type {Asked} */
  const asked = {
    clientId: client.clientId,
    redirectUri: returnTo.redirectUri,
    scope: readScope(values.get("scope") ?? "", client),
    acr: readAcr(values.get("acr_values"), claims.acr),
    claims: claims.names,
  };
  const codeChallenge = readChallenge(values, client);
  const nonce = values.get("nonce");
  const resource = values.get("resource");
  const dpopJkt = values.get("dpop_jkt");
  const maxAge = values.get("max_age");
  if (codeChallenge !== undefined) asked.codeChallenge = codeChallenge;
  if (nonce !== undefined) asked.nonce = readNonce(nonce);
  if (resource !== undefined) asked.resource = readResource(resource, client);
  if (dpopJkt !== undefined) asked.dpopJkt = readDigest(dpopJkt, "dpop_jkt");
  if (maxAge !== undefined) asked.maxAge = readMaxAge(maxAge);
  if (claims.sub !== undefined) asked.sub = claims.sub;
  const prompt = readPrompt(values.get("prompt"));
  return { asked, returnTo, prompt, idTokenHint: values.get("id_token_hint"), loginHint: values.get("login_hint") };
}

/**
 * What the client's record does not hold is dropped, and the scope of the token tells it; refresh tokens are not for pages to promise.
 * @param {string} text
 * @param {Client} client
 */
function readScope(text, client) {
  const tokens = text.split(" ").filter((token) => token !== "");
  if (tokens.some((token) => !/^[!#-[\]-~]+$/.test(token)))
    throw new ReturnedError("invalid_scope", "scope is malformed");
  const granted = tokens.filter((token) => token !== "offline_access" && client.scope.includes(token));
  if (granted.length === 0) throw new ReturnedError("invalid_scope", "nothing in scope is registered for this client");
  // Scope tokens are ASCII, so the order of code units is the order of bytes.
  return [...new Set(granted)].sort();
}

/**
 * PKCE (RFC 7636) with S256. A challenge without a method means plain, which is no protection and refused.
 * @param {ReadonlyMap<string, string>} values
 * @param {Client} client
 */
function readChallenge(values, client) {
  const challenge = values.get("code_challenge");
  const method = values.get("code_challenge_method");
  if (challenge === undefined && method !== undefined) throw invalid("code_challenge is missing");
  if (challenge === undefined) {
    if (client.pkceOptional && client.hasSecret) return undefined;
    throw invalid("code_challenge is missing: this client must use PKCE");
  }
  if (method !== "S256") throw invalid("code_challenge_method must be S256");
  return readDigest(challenge, "code_challenge");
}

/**
 * A SHA-256 digest in base64url.
 * @param {string} text
 * @param {string} name
 */
function readDigest(text, name) {
  try {
    fromBase64urlOf(text, 32);
    return text;
  } catch {
    throw invalid(`${name} must be 43 characters of base64url`);
  }
}

/** @param {string} nonce */
function readNonce(nonce) {
  if (utf8(nonce).length > MAX_NONCE_BYTES) throw invalid("nonce is longer than 512 bytes");
  return nonce;
}

/**
 * @param {string} resource
 * @param {Client} client
 */
function readResource(resource, client) {
  if (client.resources.includes(resource)) return resource;
  throw new ReturnedError("invalid_target", "resource is not registered for this client");
}

/** @param {string} text */
function readMaxAge(text) {
  try {
    return decimal(text);
  } catch {
    throw invalid("max_age must be a number of seconds");
  }
}

/** @param {string | undefined} text */
function readPrompt(text) {
  const prompt = new Set((text ?? "").split(" ").filter((value) => value !== ""));
  for (const value of prompt) {
    if (!PROMPTS.has(value)) throw invalid("prompt must be none, login, consent or select_account");
  }
  if (prompt.has("none") && prompt.size > 1) throw invalid("prompt none stands alone");
  return prompt;
}

/**
 * Classes asked for that exist here, in the client's order of preference. `acr_values` is a wish; an essential `acr` in `claims` must
 * be met (OpenID Connect Core §5.5.1.1).
 * @param {string | undefined} text
 * @param {{ values: string[], isEssential: boolean }} claim
 */
function readAcr(text, claim) {
  const exists = (/** @type {string} */ value) => value === ACR_PASSKEY || value === ACR_SESSION;
  const demanded = claim.values.filter(exists);
  if (claim.isEssential && claim.values.length > 0) {
    if (demanded.length > 0) return [...new Set(demanded)];
    throw new ReturnedError("unmet_authentication_requirements", "no acr of claims exists here");
  }
  const wished = (text ?? "").split(" ").filter(exists);
  return [...new Set([...wished, ...demanded])];
}

/**
 * The `claims` parameter (OpenID Connect Core §5.5). Claims that are not known here are ignored, as the specification wants.
 * @param {string | undefined} text
 */
function readClaims(text) {
  const { id_token: forIdToken, userinfo: forUserinfo } = readClaimsObject(text);
  const subjects = [forIdToken, forUserinfo].map((wanted) => readWish(wanted.get("sub")).values).flat();
  const sub = subjects[0];
  if (subjects.some((other) => other !== sub)) throw invalid("claims names more than one sub");
  const acr = readWish(forIdToken.get("acr"));
  const known = (/** @type {ReadonlyMap<string, unknown>} */ wanted) =>
    [...wanted.keys()].filter((name) => KNOWN_CLAIMS.has(name)).sort();
  return { names: { id_token: known(forIdToken), userinfo: known(forUserinfo) }, sub, acr };
}

/** @param {string | undefined} text */
function readClaimsObject(text) {
  const none = /** @type {ReadonlyMap<string, unknown>} */ (new Map());
  if (text === undefined) return { id_token: none, userinfo: none };
  try {
    const object = members(JSON.parse(text));
    const part = (/** @type {unknown} */ value) =>
      value === undefined ? none : new Map(Object.entries(members(value)));
    return { id_token: part(object.id_token), userinfo: part(object.userinfo) };
  } catch {
    throw invalid("claims must be a JSON object of objects");
  }
}

/**
 * What is wanted of one claim: `null`, or an object with `essential`, `value`, `values`.
 * @param {unknown} wish
 */
function readWish(wish) {
  if (wish === undefined || wish === null) return { values: [], isEssential: false };
  try {
    const { value, values, essential } = members(wish);
    const listed = value !== undefined ? [value] : (values ?? []);
    if (!Array.isArray(listed) || listed.some((one) => typeof one !== "string")) throw new TypeError();
    return { values: /** @type {string[]} */ (listed), isEssential: essential === true };
  } catch {
    throw invalid("a member of claims is neither null nor an object as OpenID Connect defines it");
  }
}

/** @param {string} description */
function invalid(description) {
  return new ReturnedError("invalid_request", description);
}

/**
 * The request for one subject only. A hint and `claims` that name different ones can be met by nobody.
 * @param {Request} request
 * @param {string} sub
 * @returns {Request}
 */
export function onlyFor(request, sub) {
  const { asked } = request;
  if (asked.sub !== undefined && asked.sub !== sub) throw invalid("id_token_hint and claims name different subjects");
  return { ...request, asked: { ...asked, sub } };
}
