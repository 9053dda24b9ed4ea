// Every page as people see it: axe-core finds nothing, nothing scrolls sideways, and there are pictures to look at.

import { appOfTests } from "./app.js";
import { RelyingParty } from "./relying_party.js";
import { DEMO, ISSUER, invite } from "./system.js";
import { check } from "./window.js";

const app = appOfTests();

/** @type {Record<string, import("playwright-core").BrowserContextOptions>} */
const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
  "dark-phone-german": { colorScheme: "dark", viewport: { width: 360, height: 740 }, locale: "de-DE" },
  "high-contrast": { forcedColors: "active", contrast: "more" },
};

for (const [look, options] of Object.entries(LOOKS)) {
  const isGerman = options.locale === "de-DE";
  check(
    `every page, ${look}`,
    async (window) => {
      const { page } = window;
      const shoot = (/** @type {string} */ name) => window.inspect(`${name}-${look}`);
      const party = await RelyingParty.register(app, "none", "--name", "Notebook", "--resource", "https://api.example.org");
      const person = await invite("pictured");
      await window.withoutAutofill();

      await window.visit(person.link);
      await window.settled();
      await shoot("enrol");
      await window.touch(true);
      await page.getByRole("button").first().click();
      await page.locator("h1[tabindex='-1']", { hasText: isGerman ? "einmal" : "once" }).waitFor();
      await shoot("enrol-confirm");
      await page.getByRole("button").first().click();
      await page.getByRole("link").first().waitFor();
      await shoot("enrol-done");
      await window.visit(person.link);
      await page.getByRole("alert").waitFor();
      await shoot("enrol-used");

      await window.visit((await party.begin({ resource: "https://api.example.org" })).url);
      await page.getByRole("button").nth(1).waitFor();
      await shoot("authorize");
      await window.visit((await party.begin({ client_id: "nobody" })).url);
      await page.getByRole("alert").waitFor();
      await shoot("authorize-error");
      const begun = await party.begin();
      await window.visit(begun.url);
      const { url } = await window.arrivalOf(app, () => page.locator("button.primary").click());
      await party.redeem(url, begun);

      await window.visit(`${ISSUER}/account`);
      await page.getByRole("button").first().waitFor();
      await shoot("account-sign-in");
      await page.getByRole("button").first().click();
      await page.waitForURL(/\/authorize\?/);
      await page.locator("button.primary").click();
      await page.locator("section[aria-labelledby=tokens] .card").nth(1).waitFor();
      await page.locator("progress").waitFor({ state: "hidden" });
      await page.locator("section[aria-labelledby=tokens] summary").first().click();
      await shoot("account");

      await window.visit(`${ISSUER}/logout`);
      await page.getByRole("button").nth(1).waitFor();
      await shoot("logout");
      await page.getByRole("button").first().click();
      await page.getByRole("button").first().waitFor({ state: "detached" });
      await shoot("logout-done");
      await window.visit(`${ISSUER}/`);
      await page.getByRole("table").waitFor();
      await shoot("index");

      await window.visit(DEMO);
      await page.getByRole("link").first().waitFor();
      await shoot("demo");
      await window.visit(`${DEMO}/?error=the+issuer+says+access_denied`);
      await page.getByRole("alert").waitFor();
      await shoot("demo-error");
      await page.getByRole("link").first().click();
      await page.locator("button.primary").click();
      await page.locator("#proof").waitFor();
      await shoot("demo-signed-in");
    },
    options,
  );
}
