// A browser window with virtual authenticators on the pages of the running system, and what every test asks of it: no violation of a
// page's own policy, nothing in the console, no dialog.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { ISSUER, SCREENSHOTS, invite } from "./system.js";

/** @typedef {import("playwright-core").Page} BrowserPage */
/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").Arrival} Arrival */

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Longest wait for anything that a page does. */
const PATIENCE_MS = 20_000;

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
});
after(() => browser?.close());

/**
 * A test with a window of its own.
 * @param {string} name
 * @param {(window: Window) => Promise<void>} run
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export function check(name, run, options) {
  test(name, { timeout: 180_000 }, async () => {
    const window = await openWindow(options);
    try {
      await run(window);
      assert.deepEqual(window.complaints, []);
    } catch (error) {
      // Whoever reads of it wants to see what the person saw.
      console.error(`${name}: ${await window.shown()}`);
      throw error;
    } finally {
      await window.context.close();
    }
  });
}

/** @param {import("playwright-core").BrowserContextOptions} [options] */
export async function openWindow(options = {}) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on("console", (message) => {
    // The browser itself reports answers with an error status; the pages show those in words.
    const isStatus = /^Failed to load resource/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isStatus) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`violation: ${event.violatedDirective} ${event.blockedURI}`),
    );
    // How often this document asked for a passkey.
    const asked = { times: 0 };
    Object.defineProperty(globalThis, "askedForPasskey", { value: asked });
    for (const method of /** @type {const} */ (["get", "create"])) {
      const native = navigator.credentials?.[method];
      if (native === undefined) continue;
      CredentialsContainer.prototype[method] = function count(/** @type {any} */ ...options) {
        asked.times += 1;
        return Reflect.apply(native, this, options);
      };
    }
  });
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const window = new Window(context, page, cdp, complaints);
  window.authenticator = await window.plugIn("internal");
  return window;
}

export class Window {
  /** The authenticator that {@link touch} is about. */
  authenticator = "";

  /**
   * @param {import("playwright-core").BrowserContext} context
   * @param {BrowserPage} page
   * @param {import("playwright-core").CDPSession} cdp
   * @param {string[]} complaints
   */
  constructor(context, page, cdp, complaints) {
    this.context = context;
    this.page = page;
    this.cdp = cdp;
    this.complaints = complaints;
  }

  /**
   * @param {"internal" | "usb"} transport
   * @returns {Promise<string>}
   */
  async plugIn(transport) {
    const { authenticatorId } = await this.cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport,
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: false,
      },
    });
    return authenticatorId;
  }

  /**
   * @param {boolean} isPresent whether the person touches the authenticator when asked
   * @param {string} [authenticatorId]
   */
  async touch(isPresent, authenticatorId = this.authenticator) {
    await this.cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: isPresent });
  }

  /** Without autofill every sign-in begins with a press, as in browsers that lack it. */
  async withoutAutofill() {
    await this.page.addInitScript(() => {
      PublicKeyCredential.isConditionalMediationAvailable = async () => false;
    });
  }

  /** @param {string | URL} url */
  async visit(url) {
    await this.page.goto(String(url), { waitUntil: "commit" });
  }

  /** @param {string | RegExp} text */
  async heading(text) {
    await this.page
      .getByRole("heading", { level: 1, name: text })
      .waitFor();
  }

  /** @param {string | RegExp} name */
  async press(name) {
    await this.page.getByRole("button", { name }).first().click();
  }

  /** Waits until the page shows what it has to show. */
  async settled() {
    await this.page.locator("main:not([aria-busy])").waitFor();
  }

  text() {
    return this.page.locator("main").innerText();
  }

  /** What the page's alert says. */
  async alert() {
    const alert = this.page.getByRole("alert").first();
    await alert.waitFor();
    return alert.innerText();
  }

  /** @returns {Promise<number>} how often the document asked for a passkey */
  askedForPasskey() {
    return this.page.evaluate(() => /** @type {any} */ (globalThis).askedForPasskey.times);
  }

  /**
   * Invites a person and makes the passkey in this window.
   * @param {string} stem of the user name
   */
  async enrol(stem) {
    const person = await invite(stem);
    await this.enrolWith(person.link);
    return person;
  }

  /** @param {string} link of an invitation */
  async enrolWith(link) {
    await this.visit(link);
    await this.heading("Set up your passkey");
    await this.touch(true);
    await this.press("Make a passkey");
    await this.heading("Now use it once");
    await this.press("Use the new passkey");
    await this.heading("Your passkey is ready");
    await this.touch(false);
  }

  /**
   * Opens an address and says what then reaches the app.
   * @param {App} app
   * @param {string | URL} url
   * @returns {Promise<Arrival>}
   */
  async arrivalAfter(app, url) {
    return this.arrivalOf(app, () => this.visit(url));
  }

  /**
   * Does something, and says what then reaches the app; the browser is there, too.
   * @param {App} app
   * @param {() => Promise<unknown>} act
   * @returns {Promise<Arrival>}
   */
  async arrivalOf(app, act) {
    const arrival = app.next(PATIENCE_MS);
    // Whoever fails first is reported; the other one then fails for nobody.
    arrival.catch(() => undefined);
    await act();
    const arrived = await arrival;
    await this.page.waitForURL((url) => url.origin === app.origin, { waitUntil: "commit" });
    return arrived;
  }

  /** What the page shows, for whoever reads of a failure. */
  async shown() {
    return `the page at ${this.page.url()} shows: ${await this.page.innerText("body", { timeout: 1_000 }).catch(String)}`;
  }

  /**
   * The same with a person who touches the passkey.
   * @param {App} app
   * @param {string | URL} url
   */
  async arrivalByTap(app, url) {
    await this.touch(true);
    try {
      return await this.arrivalAfter(app, url);
    } finally {
      await this.touch(false);
    }
  }

  /** The account page, signed in, with the whole log searched. A tab that is signed in stays so for some minutes. */
  async openAccount() {
    await this.visit(`${ISSUER}/account`);
    await this.heading("Your account");
    await this.touch(true);
    const signIn = this.page.getByRole("button", { name: "Sign in", exact: true });
    if ((await signIn.count()) > 0) await signIn.click();
    await this.page.getByText("The whole log was searched and checked").waitFor();
    await this.touch(false);
  }

  /**
   * The passkeys that an authenticator holds.
   * @param {string} [authenticatorId]
   */
  async passkeys(authenticatorId = this.authenticator) {
    const { credentials } = await this.cdp.send("WebAuthn.getCredentials", { authenticatorId });
    return credentials;
  }

  /**
   * What must hold of every page: axe-core finds nothing, nothing scrolls sideways; and there is a picture where one is asked for.
   * @param {string} name
   */
  async inspect(name) {
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate(async () => {
      const { violations } = await /** @type {any} */ (globalThis).axe.run(document, { resultTypes: ["violations"] });
      return violations.map(
        (/** @type {any} */ one) => `${one.id}: ${one.nodes.map((/** @type {any} */ node) => node.html).join(" ")}`,
      );
    });
    assert.deepEqual(found, [], `axe on ${name}`);
    const scrolls = await this.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!scrolls, `${name} scrolls sideways`);
    if (SCREENSHOTS === undefined) return;
    await mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
  }
}
