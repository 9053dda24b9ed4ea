// The authorization endpoint. Everything that it knows comes from its own URL, the files beside it and what the gateway could prove.

import { checkForward } from "./anchor.js";
import { answer } from "./answer.js";
import { makeAttempt, submitSession } from "./attempt.js";
import { GatewayError } from "./gateway.js";
import { loadIssuer, loadKeys } from "./issuer.js";
import { readHint } from "./jws.js";
import { begin } from "./page.js";
import { checkClient, clientKey } from "./registry.js";
import { ReturnedError, judgeRequest, namedClient, onlyFor, readParameters } from "./request.js";
import { forgetSession, keptSession } from "./session.js";
import { SignIn } from "./sign_in.js";
import { whyTap } from "./silent.js";

/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./issuer.js").Issuer} Issuer */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./record.js").Client} Client */
/** @typedef {import("./request.js").Request} Request */
/** @typedef {import("./request.js").StopReason | "client_unknown"} Stop */

void begin(async (page) => {
  const parameters = readParameters(new URLSearchParams(location.search));
  const named = namedClient(parameters);
  if ("reason" in named) return stop(page, named.reason);
  const issuer = await loadIssuer();
  const prover = new Prover(issuer, named.clientId);
  const first = await prover.prove().catch((error) => {
    if (error instanceof GatewayError && error.status === 404) return undefined;
    throw error;
  });
  if (first === undefined) return stop(page, "client_unknown");
  const outcome = judgeRequest(parameters, first.client);
  if (outcome.kind === "stop") return stop(page, outcome.reason);
  if (outcome.kind === "return") return refuse(page, first.client, outcome.returnTo, outcome.error);
  try {
    const request = await withHint(outcome.request, issuer);
    await decide(page, {
      gateway: issuer.gateway,
      client: first.client,
      request,
      freshAnchor: () => prover.freshAnchor(),
    });
  } catch (error) {
    if (!(error instanceof ReturnedError)) throw error;
    refuse(page, first.client, outcome.request.returnTo, error);
  }
});

/** Proves the client's record, again and again, and takes nothing older than what it proved before. */
class Prover {
  /**
   * @param {Issuer} issuer
   * @param {string} clientId
   */
  constructor(issuer, clientId) {
    this.issuer = issuer;
    this.clientId = clientId;
    /** @type {{ anchor: Anchor, client: Client, provedMs: number } | undefined} */
    this.newest = undefined;
  }

  async prove() {
    const { issuer, gateway, policy } = this.issuer;
    const answered = await gateway.record(clientKey(this.clientId));
    const { anchor, client } = await checkClient(policy, issuer, this.clientId, answered);
    checkForward(this.newest?.anchor, anchor);
    const before = this.newest?.client;
    this.newest = { anchor, client, provedMs: Date.now() };
    // What is on the page was judged by the record that it had. If that changed, everything is judged anew.
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(client)) {
      location.reload();
      await new Promise(() => undefined);
    }
    return this.newest;
  }

  /** An anchor that nobody signed for yet; the one that the page began with is still fresh at first. */
  async freshAnchor() {
    const begun = this.newest;
    if (begun !== undefined && Date.now() - begun.provedMs < 5_000) return begun.anchor;
    return (await this.prove()).anchor;
  }
}

/**
 * @param {Request} request
 * @param {Issuer} issuer
 */
async function withHint(request, { issuer }) {
  if (request.idTokenHint === undefined) return request;
  const keys = await loadKeys();
  const hint = await readHint(request.idTokenHint, keys, issuer).catch(() => undefined);
  if (hint === undefined || hint.aud !== request.asked.clientId) {
    throw new ReturnedError("invalid_request", "id_token_hint is no ID token of this issuer for this client");
  }
  return onlyFor(request, hint.sub);
}

/**
 * Without a tap where that is possible, with one otherwise.
 * @param {Page} page
 * @param {import("./sign_in.js").Context} context
 */
async function decide(page, context) {
  const { client, request } = context;
  const isSilent = request.prompt.has("none");
  const nowS = Math.floor(Date.now() / 1000);
  const session = await keptSession(nowS);
  const why = whyTap(request, client, session, nowS);
  if (why === undefined && session !== undefined) {
    page.wait(page.words.silently(client.name));
    if (await signInSilently(page, context, session)) return;
  }
  if (isSilent) throw new ReturnedError(why ?? "login_required", "the person has to sign in with a passkey");
  await new SignIn(page, context).run();
}

/** Refusals that are about the session itself. Any other is about the request, which any site may have written. */
const ENDS_SESSION = new Set([
  "session_expired",
  "session_revoked",
  "credential_revoked",
  "unknown_credential",
  "user_suspended",
]);

/**
 * Whether the session key's signature was accepted.
 * @param {Page} page
 * @param {import("./sign_in.js").Context} context
 * @param {import("./session.js").Session} session
 */
async function signInSilently(page, { gateway, client, request, freshAnchor }, session) {
  const attempt = await makeAttempt(request.asked, await freshAnchor(), session);
  try {
    await submitSession(gateway, attempt, session);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (ENDS_SESSION.has(error.refusal ?? "")) await forgetSession();
    else if (error.isPassing && request.prompt.has("none"))
      throw new ReturnedError("temporarily_unavailable", "too few custodians answer");
    return false;
  }
  answer(page, client.name, request.returnTo, [["code", attempt.code]]);
  return true;
}

/**
 * @param {Page} page
 * @param {Client} client
 * @param {import("./request.js").ReturnAddress} returnTo
 * @param {import("./request.js").OAuthError} error
 */
function refuse(page, client, returnTo, { error, description }) {
  answer(page, client.name, returnTo, [
    ["error", error],
    ["error_description", description],
  ]);
}

/**
 * @param {Page} page
 * @param {Stop} reason
 */
function stop(page, reason) {
  page.halt(page.words.stopTitle, [page.words.stop[reason], page.words.stopAfter]);
}
