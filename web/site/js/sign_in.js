// The sign-in itself: who asks, for what, where the answer goes, and a passkey that agrees to exactly that.

import { answer } from "./answer.js";
import { RENEW_MS, TOO_OLD_MS, makeAttempt, submitTap } from "./attempt.js";
import { button, element, news, trouble } from "./dom.js";
import { GatewayError } from "./gateway.js";
import { explain } from "./page.js";
import { canAutofill, forgetUnknown, hasPasskeys, tap } from "./passkey.js";
import { placeOf } from "./redirect.js";
import { CLAIMS_OF_SCOPE } from "./request.js";
import { ACCOUNT_CLIENT, accountUri, keepVisit } from "./visit.js";

/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./attempt.js").Attempt} Attempt */
/** @typedef {import("./gateway.js").Gateway} Gateway */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./record.js").Client} Client */
/** @typedef {import("./request.js").Request} Request */
/** @typedef {import("./words.js").Words} Words */
/**
 * @typedef {object} Context
 * @property {Gateway} gateway
 * @property {Client} client proved
 * @property {Request} request judged
 * @property {() => Promise<Anchor>} freshAnchor with the client's record proved anew
 */

/** Refusals that mean: this passkey is not one that anybody has here. */
const UNKNOWN_PASSKEY = new Set(["unknown_credential"]);
/** Scopes that hold personal data, in the order in which people read of them; all others are permissions. */
const PERSONAL = ["openid", ...CLAIMS_OF_SCOPE.keys()];

export class SignIn {
  /**
   * @param {Page} page
   * @param {Context} context
   */
  constructor(page, context) {
    this.page = page;
    this.context = context;
    /** @type {Promise<Attempt> | undefined} */
    this.attempt = undefined;
    this.autofill = new AbortController();
    this.hasAutofill = false;
    this.isWaiting = false;
    this.isRenewing = false;
    this.isBusy = false;
    this.trouble = element("div");
    this.news = news();
    this.signInButton = button(page.words.withPasskey, () => void this.ask(), "primary");
    this.denyButton = button(page.words.deny, () => this.deny(), "secondary");
  }

  async run() {
    if (!hasPasskeys()) throw new DOMException("no passkeys", "NotSupportedError");
    this.hasAutofill = await canAutofill();
    await this.renew();
    this.show();
    setInterval(() => void this.renewIfOld(), 5_000);
    // Timers stand still while a device sleeps or a tab is hidden; nobody is asked to agree to something stale on waking.
    document.addEventListener("visibilitychange", () => void this.renewIfOld());
  }

  show() {
    const { client, request } = this.context;
    const { words } = this.page;
    const form = element("form", { class: "stack" }, this.userName(), this.signInButton);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.ask();
    });
    this.page.show(
      words.signInTo(client.name),
      element(
        "p",
        { class: "place" },
        `${words.goesTo} `,
        element("strong", {}, placeOf(request.returnTo.redirectUri)),
      ),
      ...whatItGets(words, client, request),
      request.asked.sub === undefined ? undefined : element("p", {}, words.onlyFor),
      element("p", { class: "recorded" }, words.recorded(location.host)),
      this.trouble,
      form,
      this.denyButton,
      this.news,
    );
  }

  /** The field is there for the browser's own list of passkeys; what is typed into it goes nowhere. */
  userName() {
    if (!this.hasAutofill) return undefined;
    const { words } = this.page;
    const hint = this.context.request.loginHint ?? "";
    const input = element("input", {
      id: "user-name",
      name: "username",
      autocomplete: "username webauthn",
      autocapitalize: "none",
      spellcheck: "false",
      "aria-describedby": "user-name-hint",
      value: hint.length <= 100 ? hint : "",
    });
    return element(
      "div",
      { class: "field" },
      element("label", { for: "user-name" }, words.userName),
      element("p", { id: "user-name-hint", class: "hint" }, words.userNameHint),
      input,
    );
  }

  /** Makes a new attempt in place of the one before, and offers it in the field. */
  async renew() {
    this.autofill.abort();
    const attempt = this.context.freshAnchor().then((anchor) => makeAttempt(this.context.request.asked, anchor));
    this.attempt = attempt;
    await attempt;
    if (this.hasAutofill && !this.isBusy) void this.offer(attempt);
  }

  async renewIfOld() {
    const { madeMs } = (await this.attempt?.catch(() => undefined)) ?? { madeMs: 0 };
    if (this.isBusy || this.isRenewing || document.hidden || Date.now() - madeMs < RENEW_MS) return;
    this.isRenewing = true;
    await this.renewOrTell();
    this.isRenewing = false;
  }

  /** A connection that is gone for a moment, as on waking, is waited for; anything else stops the page. */
  async renewOrTell() {
    try {
      await this.renew();
      if (this.isWaiting) this.trouble.replaceChildren();
      this.isWaiting = false;
    } catch (error) {
      const isPassing = error instanceof GatewayError && error.isPassing;
      if (!isPassing) return this.page.fail(error);
      if (!this.isWaiting) this.tell(error);
      this.isWaiting = true;
    }
  }

  /**
   * Waits, without a dialog, for a passkey to be picked from the field's list.
   * @param {Promise<Attempt>} attempt
   */
  async offer(attempt) {
    const autofill = new AbortController();
    this.autofill = autofill;
    const { challenge } = await attempt;
    try {
      const answered = await tap({ challenge, autofill: true, signal: autofill.signal });
      await this.during(() => this.submit(attempt, answered));
    } catch (error) {
      // Aborted because a new attempt or the button took over, or the browser gave up; the button is still there.
      if (!(error instanceof DOMException)) this.page.fail(error);
    }
  }

  /** The button: a dialog of the browser. */
  async ask() {
    this.autofill.abort();
    await this.during(async () => {
      this.news.textContent = this.page.words.waitingForPasskey;
      const attempt = /** @type {Promise<Attempt>} */ (this.attempt);
      const { challenge } = await attempt;
      await this.submit(attempt, await tap({ challenge }));
    });
  }

  /**
   * One thing at a time; afterwards everything is as before, with a new attempt.
   * @param {() => Promise<void>} act
   */
  async during(act) {
    if (this.isBusy) return;
    this.isBusy = true;
    this.signInButton.disabled = true;
    this.trouble.replaceChildren();
    try {
      await act();
      return;
    } catch (error) {
      if (!this.tell(error)) return this.page.fail(error);
    }
    this.isBusy = false;
    this.signInButton.disabled = false;
    this.news.textContent = "";
    await this.renewOrTell();
  }

  /**
   * @param {Promise<Attempt>} prepared
   * @param {import("./passkey.js").Tap} answered
   */
  async submit(prepared, answered) {
    const { gateway, client, request } = this.context;
    const attempt = await prepared;
    if (Date.now() - attempt.madeMs > TOO_OLD_MS) throw new DOMException("the anchor is too old", "TimeoutError");
    this.news.textContent = this.page.words.recording;
    try {
      await submitTap(gateway, attempt, answered);
    } catch (error) {
      if (isUnknownPasskey(error)) await forgetUnknown(answered.credentialId);
      throw error;
    }
    const { clientId, redirectUri } = request.asked;
    if (clientId === ACCOUNT_CLIENT && redirectUri === accountUri() && answered.userHandle?.length === 32) {
      keepVisit({ kSubject: answered.userHandle, credentialId: answered.credentialId });
    }
    answer(this.page, client.name, request.returnTo, [["code", attempt.code]]);
  }

  /**
   * Says beside the request what went wrong; whether that is all there is to say.
   * @param {unknown} error
   */
  tell(error) {
    const { words } = this.page;
    if (error instanceof DOMException) {
      this.trouble.replaceChildren(trouble(words.passkeyTitle, passkeyTrouble(words, error)));
    } else if (isUnknownPasskey(error)) {
      // The same words whether the passkey is unknown, revoked or somebody else's: nobody learns who has an account.
      this.trouble.replaceChildren(trouble(words.notAcceptedTitle, words.notAccepted));
    } else if (error instanceof GatewayError) {
      const { title, lead } = explain(words, error);
      this.trouble.replaceChildren(trouble(title, lead));
    } else {
      return false;
    }
    return true;
  }

  deny() {
    this.autofill.abort();
    this.isBusy = true;
    const { client, request } = this.context;
    answer(this.page, client.name, request.returnTo, [
      ["error", "access_denied"],
      ["error_description", "the person did not sign in"],
    ]);
  }
}

/**
 * @param {Words} words
 * @param {DOMException} error
 */
export function passkeyTrouble(words, error) {
  const { passkey } = words;
  if (error.name === "TimeoutError") return words.tookTooLong;
  return error.name in passkey ? passkey[/** @type {keyof typeof passkey} */ (error.name)] : passkey.other;
}

/** @param {unknown} error */
function isUnknownPasskey(error) {
  return error instanceof GatewayError && error.refusal !== undefined && UNKNOWN_PASSKEY.has(error.refusal);
}

/**
 * Personal data first, in plain words; permissions apart from them, as they are named.
 * @param {Words} words
 * @param {Client} client
 * @param {Request} request
 */
function whatItGets(words, client, { asked }) {
  const personal = PERSONAL.filter((scope) => asked.scope.includes(scope));
  const told = new Set(personal.flatMap((scope) => CLAIMS_OF_SCOPE.get(scope) ?? []));
  const more = [
    ...client.idTokenClaims,
    ...client.accessTokenClaims,
    ...asked.claims.id_token,
    ...asked.claims.userinfo,
  ];
  const claims = [...new Set(more)].filter((claim) => !told.has(claim) && claim in words.claims);
  const lines = [...personal.map((scope) => words.scopes[scope]), ...claims.map((claim) => words.claims[claim])];
  const permissions = asked.scope.filter((scope) => !PERSONAL.includes(scope));
  return [
    lines.length === 0 ? undefined : element("h2", {}, words.getsTitle(client.name)),
    lines.length === 0 ? undefined : list(lines),
    permissions.length === 0 ? undefined : element("h2", {}, words.alsoTitle),
    permissions.length === 0
      ? undefined
      : list(permissions.map((scope) => words.scopes[scope] ?? element("code", {}, scope))),
    asked.resource === undefined
      ? undefined
      : element("p", {}, `${words.tokenFor} `, element("code", {}, asked.resource)),
  ];
}

/** @param {(string | Node | undefined)[]} lines */
function list(lines) {
  return element("ul", {}, ...lines.map((line) => element("li", {}, line)));
}
