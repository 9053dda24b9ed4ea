// The person's passkeys on the account page, and adding another one.

import { toBase64url } from "./base64.js";
import { button, element, news, time, trouble } from "./dom.js";
import { labelField, proveNewPasskey } from "./enrolment.js";
import { GatewayError } from "./gateway.js";
import { explain } from "./page.js";
import { forgetUnknown, makePasskey, tap, writeTap } from "./passkey.js";
import { passkeyTrouble } from "./sign_in.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./gateway.js").Gateway} Gateway */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./passkey.js").NewPasskey} NewPasskey */
/** @typedef {import("./visit.js").Visit} Visit */
/** @typedef {{ credentialId: Bytes, label: string, index: number, timeMs: number, revoked: boolean }} KnownPasskey */
/**
 * @typedef {object} Holder
 * @property {string} userName
 * @property {string} displayName
 * @property {KnownPasskey[]} passkeys
 */

export class Passkeys {
  /**
   * @param {Page} page
   * @param {{ gateway: Gateway, freshAnchor: () => Promise<Anchor>, visit: Visit | undefined, reload: () => Promise<Holder> }} context
   * @param {Holder} holder
   */
  constructor(page, context, holder) {
    this.page = page;
    this.context = context;
    this.holder = holder;
    this.list = element("ul", { class: "cards" });
    this.step = element("div");
    this.news = news();
    this.showList();
    this.offer();
  }

  section() {
    const { words } = this.page;
    return element(
      "section",
      { "aria-labelledby": "passkeys" },
      element("h2", { id: "passkeys" }, words.passkeysTitle),
      this.list,
      this.step,
      this.news,
    );
  }

  showList() {
    this.list.replaceChildren(...this.holder.passkeys.map((passkey) => this.card(passkey)));
  }

  /** @param {KnownPasskey} passkey */
  card({ credentialId, label, index, timeMs, revoked }) {
    const { words } = this.page;
    const { visit } = this.context;
    const isInUse = visit !== undefined && toBase64url(visit.credentialId) === toBase64url(credentialId);
    const mark = revoked
      ? element("span", { class: "mark bad" }, words.passkeyRevoked)
      : isInUse
        ? element("span", { class: "mark good" }, words.passkeyInUse)
        : undefined;
    return element(
      "li",
      { class: "card" },
      element("div", { class: "row" }, element("h3", {}, label === "" ? words.passkeyUnnamed : label), mark),
      element(
        "p",
        { class: "quiet-text" },
        `${words.passkeyAdded} `,
        time(timeMs, this.page.locale),
        ` · ${words.passkeyEntry(index)}`,
      ),
    );
  }

  /** Adding is offered where the tap of this visit can agree to it. */
  offer() {
    const { words } = this.page;
    const { visit } = this.context;
    this.step.replaceChildren();
    if (visit === undefined) return;
    this.step.append(button(words.addPasskey, () => this.begin(visit), "secondary"));
  }

  /** @param {Visit} visit */
  begin(visit) {
    const { words } = this.page;
    const { field, read } = labelField(words);
    this.panel(words.addTitle, words.addLead, words.makePasskey, field, async () => {
      const label = read();
      if (label === undefined) return;
      const { userName, displayName, passkeys } = this.holder;
      // The one of this visit is excluded whatever the gateway says: the new one must not take its place.
      const excluded = [visit.credentialId, ...passkeys.map(({ credentialId }) => credentialId)];
      this.confirm(visit, label, await makePasskey({ kSubject: visit.kSubject, userName, displayName, excluded }));
    });
  }

  /**
   * @param {Visit} visit
   * @param {string} label
   * @param {NewPasskey} made
   */
  confirm(visit, label, made) {
    const { words } = this.page;
    this.panel(words.confirmTitle, words.confirmLead, words.confirmButton, undefined, async () => {
      const anchor = await this.context.freshAnchor();
      const about = { by: { passkey: visit.credentialId }, kSubject: visit.kSubject, label, anchor };
      this.agree(visit, made, await proveNewPasskey(made, about));
    });
  }

  /**
   * @param {Visit} visit
   * @param {NewPasskey} made
   * @param {Awaited<ReturnType<typeof proveNewPasskey>>} proved
   */
  agree(visit, made, { statement, challenge, credential }) {
    const { words } = this.page;
    this.panel(words.addAgreeTitle, words.addAgreeLead, words.addAgree, undefined, async () => {
      const agreed = writeTap(await tap({ challenge, allowed: [visit.credentialId] }));
      this.news.textContent = words.enrolling;
      try {
        const { index } = await this.context.gateway.enrol({ statement, tap: agreed, credential });
        this.offer();
        this.news.textContent = words.addedNews(Number(index));
      } catch (error) {
        if (error instanceof GatewayError && !error.isPassing) await forgetUnknown(made.credentialId);
        throw error;
      }
      this.holder = await this.context.reload();
      this.showList();
    });
  }

  /**
   * One step with one button; what fails is said in it and can be tried again.
   * @param {string} title
   * @param {string} lead
   * @param {string} action
   * @param {HTMLElement | undefined} field
   * @param {() => Promise<void>} act
   */
  panel(title, lead, action, field, act) {
    const { words } = this.page;
    const place = element("div");
    const go = button(action, () => void this.during(go, place, act));
    const heading = element("h3", { tabindex: "-1" }, title);
    const actions = element(
      "div",
      { class: "actions" },
      go,
      button(words.cancel, () => this.offer(), "secondary"),
    );
    this.news.textContent = "";
    this.step.replaceChildren(
      element(
        "div",
        { class: "card stack" },
        heading,
        element("p", {}, lead),
        place,
        ...(field ? [field] : []),
        actions,
      ),
    );
    heading.focus();
  }

  /**
   * @param {HTMLButtonElement} go
   * @param {HTMLElement} place
   * @param {() => Promise<void>} act
   */
  async during(go, place, act) {
    const { words } = this.page;
    go.disabled = true;
    place.replaceChildren();
    try {
      await act();
    } catch (error) {
      this.news.textContent = "";
      const { title, lead } =
        error instanceof DOMException
          ? { title: words.passkeyTitle, lead: passkeyTrouble(words, error) }
          : explain(words, error);
      place.replaceChildren(trouble(title, lead));
    }
    go.disabled = false;
  }
}
