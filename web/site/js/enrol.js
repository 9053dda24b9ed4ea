// `/enrol#<seed>`: a person's first passkey. The seed reached the person by the inviter's own channel and never leaves the browser:
// what follows the # sign is not sent to any server.

import { fromBase64urlOf } from "./base64.js";
import { random } from "./bytes.js";
import { button, element, news, trouble } from "./dom.js";
import { fromSeed } from "./ed25519.js";
import { labelField, proveNewPasskey } from "./enrolment.js";
import { GatewayError } from "./gateway.js";
import { loadIssuer } from "./issuer.js";
import { begin, explain } from "./page.js";
import { forgetUnknown, hasPasskeys, makePasskey } from "./passkey.js";
import { checkInvitation, invitationKey } from "./registry.js";
import { passkeyTrouble } from "./sign_in.js";
import { enrolmentMessage } from "./statement.js";

/** @typedef {import("./issuer.js").Issuer} Issuer */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./passkey.js").NewPasskey} NewPasskey */
/** @typedef {import("./record.js").Invitation} Invitation */
/** @typedef {Awaited<ReturnType<typeof fromSeed>>} Inviter */

void begin(async (page) => {
  const { words } = page;
  // Another link in the same tab changes nothing but the part behind the # sign.
  addEventListener("hashchange", () => location.reload());
  const seed = readSeed(location.hash);
  if (seed === undefined) return page.halt(words.invitationTitle, [words.invitationIncomplete]);
  if (!hasPasskeys()) throw new DOMException("no passkeys", "NotSupportedError");
  const inviter = await fromSeed(seed);
  const issuer = await loadIssuer();
  try {
    const { anchor, invitation } = await prove(issuer, inviter);
    // The anchor's time, not the device's clock, says whether it is too late.
    if (invitation.expiresMs <= anchor.timeMs) return page.halt(words.invitationTitle, [words.invitationExpired]);
    new Enrolment(page, issuer, inviter, invitation).invite();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status !== 404) throw error;
    page.halt(words.invitationTitle, [words.invitationGone]);
  }
});

/** @param {string} fragment */
function readSeed(fragment) {
  try {
    return fromBase64urlOf(fragment.slice(1), 32);
  } catch {
    return undefined;
  }
}

/**
 * @param {Issuer} issuer
 * @param {Inviter} inviter
 */
async function prove({ issuer, gateway, policy }, { publicKey }) {
  return checkInvitation(policy, issuer, publicKey, await gateway.record(invitationKey(publicKey)));
}

class Enrolment {
  /**
   * @param {Page} page
   * @param {Issuer} issuer
   * @param {Inviter} inviter
   * @param {Invitation} invitation proved
   */
  constructor(page, issuer, inviter, invitation) {
    this.page = page;
    this.issuer = issuer;
    this.inviter = inviter;
    this.invitation = invitation;
    // Made here and kept as the passkey's user id: whoever holds it finds all entries of this person, and nobody else can.
    this.kSubject = random(32);
    this.label = "";
    this.news = news();
    this.trouble = element("div");
  }

  invite() {
    const { words } = this.page;
    const { userName, displayName } = this.invitation;
    const { field, read } = labelField(words);
    const form = element("form", { class: "stack" }, field, element("button", { class: "primary" }, words.makePasskey));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const label = read();
      if (label !== undefined) void this.during(form, () => this.make(label));
    });
    this.page.show(
      words.enrolTitle,
      element("p", {}, words.enrolLead(displayName ?? userName, location.host)),
      element("p", {}, `${words.enrolAs} `, element("strong", {}, userName)),
      element("p", {}, words.enrolWhat),
      element("p", { class: "recorded" }, words.enrolRecorded),
      this.trouble,
      form,
      this.news,
    );
  }

  /** @param {string} label */
  async make(label) {
    this.label = label;
    this.news.textContent = this.page.words.making;
    const { userName, displayName } = this.invitation;
    const made = await makePasskey({ kSubject: this.kSubject, userName, displayName: displayName ?? userName });
    this.confirm(made);
  }

  /**
   * A step of its own: some browsers want a press of a button for every dialog, and people shall know why there is a second one.
   * @param {NewPasskey} made
   */
  confirm(made) {
    const { words } = this.page;
    const actions = element("div", { class: "actions" });
    actions.append(button(words.confirmButton, () => void this.during(actions, () => this.enrol(made))));
    this.news.textContent = "";
    this.page.show(words.confirmTitle, element("p", {}, words.confirmLead), this.trouble, actions, this.news);
  }

  /** @param {NewPasskey} made */
  async enrol(made) {
    const { words } = this.page;
    this.news.textContent = words.waitingForPasskey;
    const { anchor } = await prove(this.issuer, this.inviter);
    const { kSubject, label, inviter } = this;
    const about = { by: { invitation: inviter.publicKey }, kSubject, label, anchor };
    const { statement, credential } = await proveNewPasskey(made, about);
    this.news.textContent = words.enrolling;
    try {
      const seedSignature = await inviter.sign(enrolmentMessage(statement));
      const { index } = await this.issuer.gateway.enrol({ statement, seedSignature, credential });
      this.done(Number(index));
    } catch (error) {
      // A passkey that was refused for good would only be in the way.
      if (error instanceof GatewayError && !error.isPassing) await forgetUnknown(made.credentialId);
      throw error;
    }
  }

  /** @param {number} index */
  done(index) {
    const { words } = this.page;
    // The seed is used up; it need not stay in the browser's history.
    history.replaceState(null, "", location.pathname);
    const link = element("a", { href: "/account", class: "button primary" }, words.toAccount);
    this.page.show(words.enrolledTitle, element("p", {}, words.enrolled(index)), element("p", {}, link));
  }

  /**
   * One thing at a time; what fails is said beside it and can be tried again.
   * @param {HTMLElement} controls
   * @param {() => Promise<void>} act
   */
  async during(controls, act) {
    const buttons = [...controls.querySelectorAll("button")];
    for (const one of buttons) one.disabled = true;
    this.trouble.replaceChildren();
    try {
      await act();
    } catch (error) {
      this.tell(error);
    }
    for (const one of buttons) one.disabled = false;
  }

  /** @param {unknown} error */
  tell(error) {
    const { words } = this.page;
    this.news.textContent = "";
    if (error instanceof GatewayError && error.status === 404) {
      this.page.halt(words.invitationTitle, [words.invitationGone]);
    } else if (error instanceof GatewayError) {
      const { title, lead } = explain(words, error);
      this.trouble.replaceChildren(trouble(title, lead));
    } else if (error instanceof DOMException) {
      this.trouble.replaceChildren(trouble(words.passkeyTitle, passkeyTrouble(words, error)));
    } else {
      this.page.fail(error);
    }
  }
}
