// A browser with a virtual authenticator on the pages, and what every test asks of them: no violation of the page's own policy, no
// error in the console, and nothing that axe-core finds.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { mkdir } from "node:fs/promises";
import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

import { serveGateway } from "./gateway.js";
import { listen, serveSite } from "./site.js";
import { Tenant, b64url, importKey } from "./tenant.js";

/** @typedef {import("playwright-core").Page} BrowserPage */
/** @typedef {import("playwright-core").CDPSession} CDPSession */

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Where screenshots go, if anywhere. */
const SHOTS = process.env.SCREENSHOTS;

/** A tenant with its site and gateway, and an app that waits for answers. */
export async function startWorld() {
  const tenant = new Tenant();
  const gateway = await serveGateway(tenant);
  const site = await serveSite(() => ({ files: tenant.siteFiles(gateway.origin), gateway: gateway.origin }));
  tenant.issuer = site.origin;
  const app = await serveApp();
  tenant.append(1);
  tenant.append(2);
  tenant.putClient({
    redirectUris: [`${app.origin}/cb`, "org.example.notes:/cb"],
    postLogout: [`${app.origin}/bye`],
    scope: "email groups notes.read openid profile",
  });
  tenant.putClient({ id: "loud", name: "Loud app", redirectUris: [`${app.origin}/cb`], silent: false });
  tenant.putClient({ id: "stopped", name: "Stopped app", redirectUris: [`${app.origin}/cb`], suspended: true });
  tenant.putClient({
    id: "quorate-account",
    name: "Your account",
    redirectUris: [`${site.origin}/account`],
    scope: "email groups openid profile quorate:account",
    type: 2,
    silent: false,
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  const close = async () => {
    await browser.close();
    for (const one of [site, gateway, app]) one.close();
  };
  return { tenant, gateway, site, app, browser, close };
}

/** @typedef {Awaited<ReturnType<typeof startWorld>>} World */

/** An app: it shows and remembers what reaches it. */
async function serveApp() {
  /** @type {{ method: string, path: string, parameters: URLSearchParams }[]} */
  const answers = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const parameters =
      request.method === "POST" ? new URLSearchParams(Buffer.concat(chunks).toString()) : url.searchParams;
    if (url.pathname !== "/favicon.ico") answers.push({ method: request.method ?? "", path: url.pathname, parameters });
    const frame = url.searchParams.get("frame");
    const body = frame === null ? "" : `<iframe title="framed" src="${frame}" width="600" height="400"></iframe>`;
    response
      .writeHead(200, { "content-type": "text/html" })
      .end(`<!doctype html><title>The app</title><h1>The app</h1>${body}`);
  });
  return { origin: await listen(server, "127.0.0.1"), answers, close: () => void server.close() };
}

/**
 * A fresh browser window.
 * @param {World} world
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openWindow(world, options = {}) {
  const context = await world.browser.newContext({ locale: "en-GB", timezoneId: "UTC", ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on("console", (message) => {
    // The browser itself reports answers with an error status; the pages show those in words.
    const isStatus = /^Failed to load resource/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isStatus) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`violation: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: false,
    },
  });
  const window = new Window(world, context, page, cdp, authenticatorId, complaints);
  return window;
}

export class Window {
  /**
   * @param {World} world
   * @param {import("playwright-core").BrowserContext} context
   * @param {BrowserPage} page
   * @param {CDPSession} cdp
   * @param {string} authenticatorId
   * @param {string[]} complaints
   */
  constructor(world, context, page, cdp, authenticatorId, complaints) {
    this.world = world;
    this.context = context;
    this.page = page;
    this.cdp = cdp;
    this.authenticatorId = authenticatorId;
    this.complaints = complaints;
  }

  /**
   * A user with a passkey in this window's authenticator.
   * @param {string} userName
   * @param {boolean} [isKnown] whether the tenant knows the passkey, too
   */
  async addUser(userName, isKnown = true) {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { x = "", y = "" } = pair.publicKey.export({ format: "jwk" });
    const kSubject = new Uint8Array(randomBytes(32));
    const credentialId = new Uint8Array(randomBytes(16));
    await this.cdp.send("WebAuthn.addCredential", {
      authenticatorId: this.authenticatorId,
      credential: {
        credentialId: Buffer.from(credentialId).toString("base64"),
        isResidentCredential: true,
        rpId: "localhost",
        privateKey: pair.privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
        userHandle: Buffer.from(kSubject).toString("base64"),
        userName,
        userDisplayName: userName,
        signCount: 1,
      },
    });
    const sub = `u-${userName.padEnd(26, "a")}`;
    const { tenant } = this.world;
    if (isKnown) {
      tenant.users.set(sub, { sub, userName, displayName: `${userName} Lovelace`, kSubject });
      const key = importKey([
        0,
        [new Uint8Array(Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]))],
      ]);
      const index = tenant.append(4, { sub });
      tenant.passkeys.set(b64url(credentialId), {
        credentialId: b64url(credentialId),
        key,
        sub,
        label: "Phone",
        index,
        timeMs: Date.now(),
      });
    }
    return { sub, kSubject, credentialId: b64url(credentialId) };
  }

  /** @param {boolean} isPresent whether the person touches the authenticator when asked */
  async touch(isPresent) {
    await this.cdp.send("WebAuthn.setAutomaticPresenceSimulation", {
      authenticatorId: this.authenticatorId,
      enabled: isPresent,
    });
  }

  /** @param {Record<string, string | undefined>} [change] */
  authorizeUrl(change = {}) {
    const parameters = {
      response_type: "code",
      client_id: "web",
      redirect_uri: `${this.world.app.origin}/cb`,
      scope: "openid profile email",
      state: "s t&ä",
      nonce: "n-1",
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
      code_challenge_method: "S256",
      ...change,
    };
    const present = Object.entries(parameters).filter(([, value]) => value !== undefined);
    return `${this.world.site.origin}/authorize?${new URLSearchParams(/** @type {[string, string][]} */ (present))}`;
  }

  /** @param {Record<string, string | undefined>} [change] */
  async authorize(change) {
    await this.page.goto(this.authorizeUrl(change));
  }

  /** @param {string} text */
  async heading(text) {
    await this.page.getByRole("heading", { level: 1, name: text }).waitFor({ timeout: 10_000 });
  }

  /** @param {string} name */
  async press(name) {
    await this.page.getByRole("button", { name }).first().click();
  }

  /** The next answer that reaches the app. */
  async answer() {
    await this.page.waitForURL(`${this.world.app.origin}/**`);
    const answer = this.world.app.answers.at(-1);
    assert.ok(answer !== undefined);
    return answer;
  }

  async text() {
    return this.page.locator("main").innerText();
  }

  /**
   * What must hold in every state: axe-core finds nothing, and there is a picture of it where one is asked for.
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
    const hasSidewaysScroll = await this.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!hasSidewaysScroll, `${name} scrolls sideways`);
    if (SHOTS === undefined) return;
    await mkdir(SHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
  }

  async close() {
    assert.deepEqual(this.complaints, []);
    await this.context.close();
  }
}
