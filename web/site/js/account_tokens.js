// "Your tokens" on the account page: what the scan finds, opened and checked, one card for each sign-in. Cards and lines are only
// ever added, newest first, so nothing moves under the reader's hands.

import { button, element, news, time, trouble } from "./dom.js";
import { GatewayError } from "./gateway.js";
import { explain } from "./page.js";
import { tap, writeTap } from "./passkey.js";
import { Scan } from "./scan.js";
import { passkeyTrouble } from "./sign_in.js";
import { revocationChallenge, writeRevocation } from "./statement.js";
import { writeTlogProof } from "./tlog_proof.js";
import { openToken } from "./token_entry.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./gateway.js").Gateway} Gateway */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./scan.js").Found} Found */
/** @typedef {import("./token_entry.js").TokenEntry} TokenEntry */
/**
 * @typedef {object} Context
 * @property {Gateway} gateway
 * @property {import("./tree.js").Tree} tree
 * @property {string} note the published checkpoint of that tree
 * @property {import("./subject.js").Subject} subject
 * @property {string} accessToken
 * @property {string | undefined} ownSession `sid` of the session that this browser keeps
 * @property {() => Promise<Anchor>} freshAnchor
 * @property {(clientId: string) => Promise<string>} nameOf a client's proved name
 */
/**
 * The tokens of one sign-in to one app.
 * @typedef {{ newest: TokenEntry, lines: HTMLElement, count: HTMLElement, began: HTMLElement, latest: HTMLElement, total: number }} Group
 */

/** Tiles of 256 entries that are searched at once, on opening the page and with each press of the button. */
const AT_FIRST = 64;
const FURTHER = 256;
/** Tokens further apart than this are of a sign-in and its renewals. */
const RENEWED_MS = 60_000;
/** Openings that the gateway hands over at once. */
const OPENINGS = 64;

export class Tokens {
  /**
   * @param {Page} page
   * @param {Context} context
   */
  constructor(page, context) {
    this.page = page;
    this.context = context;
    this.scan = new Scan(context.tree, context.subject);
    /** @type {Map<string, Group>} */
    this.groups = new Map();
    this.cards = element("ul", { class: "cards" });
    this.leftOut = element("div");
    this.others = element("div");
    this.trouble = element("div");
    this.news = news();
    this.progress = element("progress", { max: context.tree.size, value: 0, "aria-label": page.words.searching });
    this.further = button(page.words.further, () => void this.search(FURTHER), "secondary");
  }

  section() {
    const { words } = this.page;
    return element(
      "section",
      { "aria-labelledby": "tokens" },
      element("h2", { id: "tokens" }, words.tokensTitle),
      element("p", {}, words.tokensLead),
      this.trouble,
      this.leftOut,
      this.cards,
      this.others,
      this.progress,
      this.news,
      this.further,
    );
  }

  begin() {
    return this.search(AT_FIRST);
  }

  /** @param {number} tiles */
  async search(tiles) {
    const { words } = this.page;
    this.further.hidden = true;
    this.progress.hidden = false;
    this.trouble.replaceChildren();
    try {
      for await (const found of this.scan.further(tiles)) {
        await this.take(found);
        this.tellProgress();
      }
    } catch (error) {
      const lead = error instanceof GatewayError ? explain(words, error).lead : words.searchFailed;
      this.trouble.replaceChildren(trouble(words.problemTitle, lead));
    }
    this.tellProgress();
    this.progress.hidden = true;
    this.further.hidden = this.scan.isComplete;
  }

  tellProgress() {
    const { words, locale } = this.page;
    const { size } = this.context.tree;
    const { from, isComplete, backToMs, upToMs } = this.scan;
    const [looked, all] = [size - from, size].map((count) => count.toLocaleString(locale));
    this.progress.value = size - from;
    const newest = upToMs === undefined ? [] : [` ${words.searchedUpTo} `, time(upToMs, locale), "."];
    const back = backToMs === undefined || isComplete ? [] : [` ${words.searchedBack} `, time(backToMs, locale), "."];
    const none = this.groups.size === 0 ? [` ${words.tokensNone}`] : [];
    const state = isComplete ? words.searchedAll(String(all)) : words.searched(String(looked), String(all));
    this.news.replaceChildren(state, ...newest, ...back, ...none);
  }

  /**
   * Everything is fetched and opened before anything is shown, so that a step is shown whole or not at all.
   * @param {Found[]} found newest first
   */
  async take(found) {
    const tokens = found.filter(({ leaf }) => leaf.type === "token");
    const openings = await this.openings(tokens);
    const { subject } = this.context;
    const entries = await Promise.all(
      tokens.map((token) => {
        const sealed = openings.get(token.index);
        return sealed === undefined ? undefined : openToken(subject, token, sealed);
      }),
    );
    for (const [at, token] of tokens.entries()) {
      const entry = entries[at];
      if (entry === undefined) this.addLeftOut(token);
      else this.add(entry);
    }
    for (const other of found.filter(({ leaf }) => leaf.type !== "token")) this.addOther(other);
  }

  /**
   * @param {Found[]} tokens
   * @returns {Promise<Map<number, Bytes>>}
   */
  async openings(tokens) {
    const { gateway, accessToken } = this.context;
    const indices = tokens.map(({ index }) => index);
    /** @type {[number, Bytes][]} */
    const openings = [];
    for (let at = 0; at < indices.length; at += OPENINGS) {
      openings.push(...(await gateway.openings(accessToken, indices.slice(at, at + OPENINGS))));
    }
    return new Map(openings);
  }

  /** @param {TokenEntry} entry */
  add(entry) {
    const key = `${entry.clientId} ${entry.session}`;
    const group = this.groups.get(key) ?? this.addGroup(key, entry);
    group.total += 1;
    group.count.textContent = this.page.words.renewals(group.total);
    group.began.replaceChildren(...this.beginning(entry));
    group.latest.hidden = group.newest.found.leaf.timeMs - entry.found.leaf.timeMs < RENEWED_MS;
    group.lines.append(this.line(entry));
  }

  /**
   * @param {string} key
   * @param {TokenEntry} newest
   */
  addGroup(key, newest) {
    const { words, locale } = this.page;
    const name = element("h3", {}, newest.clientId);
    const isOwn = newest.session === this.context.ownSession;
    const state = element("span", {}, isOwn ? element("span", { class: "mark good" }, words.thisBrowser) : undefined);
    const began = element("p", {});
    const latest = element(
      "p",
      { class: "quiet-text" },
      `${words.group.latest} `,
      time(newest.found.leaf.timeMs, locale),
    );
    const count = element("summary");
    const lines = element("ul", { class: "tokens" });
    const stop = element("div");
    const card = element(
      "li",
      { class: "card" },
      element("div", { class: "row" }, name, state),
      began,
      latest,
      element("details", {}, count, lines),
      stop,
    );
    const group = { newest, lines, count, began, latest, total: 0 };
    this.groups.set(key, group);
    this.cards.append(card);
    this.offerStop(newest, newest.clientId, stop, state);
    void this.context.nameOf(newest.clientId).then((proved) => {
      name.textContent = proved;
      this.offerStop(newest, proved, stop, state);
    });
    return group;
  }

  /**
   * How the sign-in began, as far as the search has come.
   * @param {TokenEntry} oldest
   */
  beginning({ found: { leaf } }) {
    const { locale } = this.page;
    const { group } = this.page.words;
    const how = leaf.evidence === "A" ? group.passkey : leaf.evidence === "B" ? group.session : group.other;
    return [`${group.first} `, time(leaf.timeMs, locale), ` ${how}`];
  }

  /** @param {TokenEntry} entry */
  line(entry) {
    const { words, locale } = this.page;
    const { found, kind, scope, audience, expiresMs } = entry;
    return element(
      "li",
      {},
      element(
        "div",
        {},
        element("strong", {}, kind === "access" ? words.accessToken : words.idToken),
        " · ",
        time(found.leaf.timeMs, locale),
        `, ${words.tokenUntil} `,
        time(expiresMs, locale, found.leaf.timeMs),
      ),
      scope === undefined ? undefined : element("div", {}, `${words.tokenScope} `, element("code", {}, scope)),
      audience === undefined ? undefined : element("div", {}, `${words.tokenFor} `, element("code", {}, audience)),
      element(
        "div",
        { class: "row" },
        element("span", { class: "quiet-text" }, words.leftOut(found.index)),
        element(
          "button",
          {
            type: "button",
            class: "quiet",
            "aria-label": words.proofOf(found.index),
            onclick: () => void this.download(found),
          },
          words.proof,
        ),
      ),
    );
  }

  /** @param {Found} found */
  async download({ index, bytes }) {
    const { tree, note } = this.context;
    try {
      // The leaf itself goes along, so that the file can be checked without asking anybody.
      const file = writeTlogProof({ index, path: await tree.inclusion(index), note, extra: bytes });
      const url = URL.createObjectURL(new Blob([file], { type: "text/plain" }));
      element("a", { href: url, download: `${location.hostname}-${index}.tlog-proof` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      this.trouble.replaceChildren(trouble(this.page.words.problemTitle, explain(this.page.words, error).lead));
    }
  }

  /**
   * @param {TokenEntry} entry
   * @param {string} name
   * @param {HTMLElement} place
   * @param {HTMLElement} state
   */
  offerStop(entry, name, place, state) {
    const { words } = this.page;
    const offer = button(words.notMe, () => this.askStop(entry, name, place, state), "danger");
    offer.setAttribute("aria-label", words.notMeOf(name));
    place.replaceChildren(offer);
  }

  /**
   * @param {TokenEntry} entry
   * @param {string} name
   * @param {HTMLElement} place
   * @param {HTMLElement} state
   */
  askStop(entry, name, place, state) {
    const { words } = this.page;
    const heading = element("h4", { tabindex: "-1" }, words.notMeTitle(name));
    const failure = element("div");
    const go = button(words.notMeButton, () => void act(), "danger");
    const act = async () => {
      go.disabled = true;
      failure.replaceChildren();
      try {
        const index = await this.stop(entry);
        place.replaceChildren(news(words.notMeDone(index)));
        state.replaceChildren(element("span", { class: "mark bad" }, words.stopped));
      } catch (error) {
        const { title, lead } =
          error instanceof DOMException
            ? { title: words.passkeyTitle, lead: passkeyTrouble(words, error) }
            : explain(words, error);
        failure.replaceChildren(trouble(title, lead));
      }
      go.disabled = false;
    };
    const back = button(words.cancel, () => this.offerStop(entry, name, place, state), "secondary");
    place.replaceChildren(
      heading,
      element("p", {}, words.notMeLead),
      failure,
      element("div", { class: "actions" }, go, back),
    );
    heading.focus();
  }

  /**
   * A passkey of the person orders the token to be stopped.
   * @param {TokenEntry} entry
   */
  async stop({ found, salt, body }) {
    const anchor = await this.context.freshAnchor();
    const statement = writeRevocation({ issuer: location.origin, index: found.index, salt, body, anchor });
    const answered = await tap({ challenge: await revocationChallenge(statement) });
    const { index } = await this.context.gateway.revoke(statement, writeTap(answered));
    return Number(index);
  }

  /** @param {Found} found */
  addLeftOut({ index, leaf }) {
    const { words, locale } = this.page;
    if (this.leftOut.childElementCount === 0) {
      this.leftOut.append(
        element(
          "div",
          { class: "alert", role: "alert" },
          element("h3", {}, words.leftOutTitle),
          element("p", {}, words.leftOutLead),
          element("ul", {}),
        ),
      );
    }
    const line = element("li", {}, `${words.leftOut(index)} · ${words.entryTypes.token} · `, time(leaf.timeMs, locale));
    this.leftOut.querySelector("ul")?.append(line);
  }

  /** @param {Found} found */
  addOther({ index, leaf }) {
    const { words, locale } = this.page;
    if (this.others.childElementCount === 0) this.others.append(element("h3", {}, words.otherTitle), element("ul", {}));
    const line = element(
      "li",
      {},
      `${words.entryTypes[leaf.type] ?? leaf.type} · `,
      time(leaf.timeMs, locale),
      ` · ${words.leftOut(index)}`,
    );
    this.others.querySelector("ul")?.append(line);
  }
}
