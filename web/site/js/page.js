// What every page does alike: it refuses to run inside another page, speaks the person's language, shows one thing at a time, and
// says in words what went wrong.

import { Distrust } from "./anchor.js";
import { alert, button, element } from "./dom.js";
import { GatewayError } from "./gateway.js";
import { SiteTrouble } from "./issuer.js";
import { chooseWords } from "./words.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {import("./words.js").Words} Words */

export class Page {
  /**
   * @param {Words} words
   * @param {string} locale for times and numbers
   * @param {HTMLElement} main
   */
  constructor(words, locale, main) {
    this.words = words;
    this.locale = locale;
    this.main = main;
    this.isFirst = true;
  }

  /**
   * Shows one thing in place of what was there.
   * @param {string} title
   * @param {...Child} children
   */
  show(title, ...children) {
    const heading = element("h1", { tabindex: "-1" }, title);
    document.title = `${title} – ${location.host}`;
    this.main.replaceChildren(heading, ...children.filter((child) => child !== undefined));
    this.main.removeAttribute("aria-busy");
    // People who listen to the page hear that it changed; on the first load their browser reads it anyway.
    if (!this.isFirst) heading.focus();
    this.isFirst = false;
  }

  /**
   * Says that something is being done.
   * @param {string} text
   */
  wait(text) {
    this.main.replaceChildren(element("p", { role: "status", class: "wait" }, text));
    this.main.setAttribute("aria-busy", "true");
    this.isFirst = false;
  }

  /**
   * Says what went wrong, in place of everything else.
   * @param {unknown} error
   */
  fail(error) {
    const { words } = this;
    const { title, lead, isPassing } = explain(words, error);
    const lines = error instanceof Distrust ? [words.stoppedLead, lead, words.stoppedAfter] : [lead];
    this.halt(title, lines, details(words, error));
    if (isPassing) this.main.append(button(words.tryAgain, () => location.reload()));
  }

  /**
   * Stops here, and says why.
   * @param {string} title
   * @param {string[]} lines
   * @param {...Child} more
   */
  halt(title, lines, ...more) {
    document.title = `${title} – ${location.host}`;
    this.main.replaceChildren(alert(element("h1", {}, title), ...lines.map((line) => element("p", {}, line)), ...more));
    this.main.removeAttribute("aria-busy");
    this.isFirst = false;
  }
}

/**
 * What went wrong, in words.
 * @param {Words} words
 * @param {unknown} error
 * @returns {{ title: string, lead: string, isPassing: boolean }}
 */
export function explain(words, error) {
  if (error instanceof Distrust) {
    return { title: words.stoppedTitle, lead: words.distrust[error.reason], isPassing: false };
  }
  if (error instanceof GatewayError && error.refusal !== undefined) {
    const lead = words.refusals[error.refusal] ?? words.refusedOther(error.refusal);
    return { title: words.refusedTitle, lead, isPassing: true };
  }
  if (error instanceof GatewayError && error.isPassing) {
    const lead = error.status === 503 ? words.noQuorum : words.unreachable;
    return { title: words.problemTitle, lead, isPassing: true };
  }
  // The only endpoints that want a token are those of the account page.
  if (error instanceof GatewayError && error.status === 401) {
    return { title: words.problemTitle, lead: words.accountExpired, isPassing: true };
  }
  if (error instanceof GatewayError) {
    const lead = error.status === 409 ? words.usedAlready : words.notTaken(error.code);
    return { title: words.problemTitle, lead, isPassing: true };
  }
  if (error instanceof SiteTrouble) return { title: words.problemTitle, lead: words.siteTrouble, isPassing: true };
  if (error instanceof DOMException && error.name === "NotSupportedError") {
    return { title: words.tooOldTitle, lead: words.tooOldText, isPassing: false };
  }
  return { title: words.problemTitle, lead: words.unexpected, isPassing: true };
}

/**
 * The error and what caused it, for the people who look into it.
 * @param {Words} words
 * @param {unknown} error
 */
function details(words, error) {
  /** @type {string[]} */
  const chain = [];
  for (let cause = error; cause instanceof Error && chain.length < 8; cause = cause.cause)
    chain.push(`${cause.name}: ${cause.message}`);
  if (chain.length === 0) chain.push(String(error));
  return element(
    "details",
    {},
    element("summary", {}, words.details),
    element("pre", { tabindex: "0" }, chain.join("\n")),
  );
}

/**
 * Runs a page. Nothing but the language is taken from the URL here.
 * @param {(page: Page) => Promise<void>} run
 */
export async function begin(run) {
  const wishes = new URLSearchParams(location.search).get("ui_locales")?.split(" ") ?? [];
  const { words, locale } = chooseWords(wishes, navigator.languages);
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  document.documentElement.lang = words.language;
  for (const place of document.querySelectorAll(".host")) place.textContent = location.host;
  const page = new Page(words, locale, main);
  if (window.top !== window.self) {
    page.show(words.framedTitle, element("p", {}, words.framedText));
    return;
  }
  // A page that comes back out of the browser's memory shows a state that is over.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  try {
    await run(page);
  } catch (error) {
    page.fail(error);
  }
}
