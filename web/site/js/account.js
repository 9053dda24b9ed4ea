// `/account`: a person's passkeys, and every token that was ever issued in their name.

import { BadReturn, beginSignIn, finishSignIn, forgetTokens, keptTokens } from "./account_client.js";
import { Passkeys } from "./account_passkeys.js";
import { Tokens } from "./account_tokens.js";
import { Distrust, checkAnchor, checkForward } from "./anchor.js";
import { fromBase64url } from "./base64.js";
import { equal } from "./bytes.js";
import { logNumber } from "./checkpoint.js";
import { button, element, trouble } from "./dom.js";
import { GatewayError } from "./gateway.js";
import { sessionId } from "./grant.js";
import { loadIssuer } from "./issuer.js";
import { members, numberOf, textOf } from "./json.js";
import { begin } from "./page.js";
import { vouchedCheckpoint } from "./policy.js";
import { checkClient, clientKey } from "./registry.js";
import { forgetSession, keptSession } from "./session.js";
import { Subject } from "./subject.js";
import { Tree } from "./tree.js";
import { ACCOUNT_CLIENT, forgetVisit, keptVisit } from "./visit.js";

/** @typedef {import("./account_client.js").Tokens} IssuedTokens */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./issuer.js").Issuer} Issuer */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./visit.js").Visit} Visit */

/** How long the page waits for the published log to reach what is signed, in steps of half a second. */
const STEPS = 8;
const STEP_MS = 500;

void begin(async (page) => {
  const response = new URLSearchParams(location.search);
  const isAnswer = response.has("code") || response.has("error");
  // A code is used once; neither it nor an error belongs into the history.
  if (isAnswer) history.replaceState(null, "", location.pathname);
  if (response.has("error")) return invite(page, page.words.accountNotSignedIn);
  if (response.has("code")) page.wait(page.words.accountSigningIn);
  const issuer = await loadIssuer();
  try {
    const tokens = response.has("code") ? await finishSignIn(issuer.gateway, response) : keptTokens();
    if (tokens === undefined) return invite(page);
    await new Account(page, issuer, tokens, keptVisit()).show();
  } catch (error) {
    if (error instanceof BadReturn) return invite(page, page.words.accountBadReturn);
    if (!(error instanceof GatewayError) || error.status !== 401) throw error;
    forgetTokens();
    invite(page, page.words.accountExpired);
  }
});

/**
 * @param {Page} page
 * @param {string} [news]
 */
function invite(page, news) {
  const { words } = page;
  page.show(
    words.accountTitle,
    news === undefined ? undefined : trouble(news),
    element("p", {}, words.accountLead),
    button(words.accountSignIn, () => void beginSignIn(words.language)),
  );
}

class Account {
  /**
   * @param {Page} page
   * @param {Issuer} issuer
   * @param {IssuedTokens} tokens
   * @param {Visit | undefined} visit
   */
  constructor(page, issuer, tokens, visit) {
    this.page = page;
    this.issuer = issuer;
    this.tokens = tokens;
    this.visit = visit;
    /** @type {Anchor | undefined} */
    this.anchor = undefined;
    /** @type {Map<string, Promise<string>>} */
    this.names = new Map();
  }

  async show() {
    const { words } = this.page;
    const holder = await this.holder();
    const context = {
      gateway: this.issuer.gateway,
      freshAnchor: () => this.freshAnchor(),
      visit: this.visit,
      reload: () => this.holder(),
    };
    const passkeys = new Passkeys(this.page, context, holder);
    const tokens = element("div");
    this.page.show(
      words.accountTitle,
      element(
        "div",
        { class: "row" },
        element("p", {}, `${words.signedInAs} `, element("strong", {}, holder.displayName)),
        button(words.signOut, () => void this.signOut(), "quiet"),
      ),
      passkeys.section(),
      tokens,
    );
    if (this.visit === undefined)
      tokens.append(element("h2", {}, words.tokensTitle), element("p", {}, words.tokensNoKey));
    else await this.showTokens(tokens, this.visit);
  }

  async holder() {
    const { preferred_username: userName, name, passkeys } = await this.issuer.gateway.account(this.tokens.accessToken);
    return {
      userName: textOf(userName),
      displayName: typeof name === "string" ? name : textOf(userName),
      passkeys: (Array.isArray(passkeys) ? passkeys : []).map((passkey) => {
        const { credential_id: id, label, index, time_ms: timeMs, revoked } = members(passkey);
        return {
          credentialId: fromBase64url(textOf(id)),
          label: textOf(label),
          index: numberOf(index),
          timeMs: numberOf(timeMs),
          revoked: revoked === true,
        };
      }),
    };
  }

  async freshAnchor() {
    const { issuer, gateway, policy } = this.issuer;
    const anchor = await checkAnchor(policy, issuer, await gateway.anchor());
    checkForward(this.anchor, anchor);
    this.anchor = anchor;
    return anchor;
  }

  /**
   * @param {HTMLElement} place
   * @param {Visit} visit
   */
  async showTokens(place, { kSubject }) {
    const { words } = this.page;
    const { gateway } = this.issuer;
    const anchor = await this.freshAnchor();
    const least = Math.max(anchor.size, this.knownSize(anchor.log));
    const checkpoint = await this.published(anchor, least);
    const tree = new Tree(checkpoint, (path) => gateway.published(anchor.log, path));
    const session = await keptSession(Math.floor(Date.now() / 1000));
    const tokens = new Tokens(this.page, {
      gateway,
      tree,
      note: checkpoint.note,
      subject: await Subject.of(anchor.log, kSubject),
      accessToken: this.tokens.accessToken,
      ownSession: session && (await sessionId(session.publicKey)),
      freshAnchor: () => this.freshAnchor(),
      nameOf: (clientId) => this.nameOf(clientId),
    });
    const lag = least - checkpoint.size;
    place.replaceChildren(
      tokens.section(),
      ...(lag > 0 ? [element("p", { class: "recorded" }, words.lagging(lag))] : []),
    );
    await tokens.begin();
  }

  /**
   * How many entries the log has at least: the page's own tokens stand in it, whatever the anchor says.
   * @param {number} log
   */
  knownSize(log) {
    const [own, index] = this.tokens.tlx.split("/").map(Number);
    return own === log && index !== undefined ? index + 1 : 0;
  }

  /**
   * The published checkpoint, once it has come up to the anchor and to what the page knows: a gateway that shows an old one would hide
   * the newest tokens.
   * @param {Anchor} anchor
   * @param {number} least entries
   */
  async published(anchor, least) {
    const { issuer, gateway, policy } = this.issuer;
    for (let step = 0; ; step += 1) {
      const checkpoint = await vouchedCheckpoint(policy, await gateway.checkpoint(anchor.log));
      const isSameLog = logNumber(checkpoint.origin, issuer) === anchor.log;
      const isFork = checkpoint.size === anchor.size && !equal(checkpoint.root, anchor.root);
      if (!isSameLog || isFork) throw new Distrust("went_back");
      if (checkpoint.size >= least || step === STEPS) return checkpoint;
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
  }

  /**
   * A client's proved name; its identifier where no record proves one.
   * @param {string} clientId
   */
  nameOf(clientId) {
    const { issuer, gateway, policy } = this.issuer;
    const known =
      this.names.get(clientId) ??
      gateway
        .record(clientKey(clientId))
        .then((answer) => checkClient(policy, issuer, clientId, answer))
        .then(({ client }) => client.name)
        .catch(() => clientId);
    this.names.set(clientId, known);
    return known;
  }

  async signOut() {
    const hint = new URLSearchParams({
      id_token_hint: this.tokens.idToken,
      client_id: ACCOUNT_CLIENT,
      ui_locales: this.page.words.language,
    });
    forgetTokens();
    forgetVisit();
    await forgetSession();
    location.assign(`/logout?${hint}`);
  }
}
