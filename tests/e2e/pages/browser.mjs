// Chromium, and pages that remember everything that should not happen in them.

import assert from "node:assert/strict";

import { chromium } from "playwright-core";

const WITHIN = 15_000;
const ARGUMENTS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** The browser, with a profile of its own that is removed with it. */
export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS, timeout: 60_000 });

/** Opens a page for `body` and closes it. `look` is what a browser context takes: viewport, colour scheme, … */
export async function visit(browser, look, body) {
  const context = await browser.newContext(look);
  context.setDefaultTimeout(WITHIN);
  try {
    const page = await context.newPage();
    await body(page, await watch(page));
  } finally {
    await context.close();
  }
}

/** What goes wrong in a page from now on: errors, violations of its policy, requests to elsewhere. */
async function watch(page) {
  const faults = [];
  const note = (words) => faults.push(words);
  await page.exposeFunction("reportViolation", (words) => note(`policy: ${words}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      globalThis.reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) note(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => note(`script: ${error.message}`));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.origin !== new URL(page.url()).origin && page.url() !== "about:blank") note(`request: ${asked.href}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) note(`response: ${response.status()} ${response.url()}`);
  });
  return {
    faults,
    none() {
      assert.deepEqual(faults, []);
    },
  };
}

/** Opens the API reference, or one operation in it, and waits until the document is shown. */
export async function openDocs(page, hub, operation = "") {
  await page.goto(`${hub.url}/docs${operation && `#${operation}`}`);
  await page.locator("#operations details").first().waitFor({ state: "attached" });
  if (!operation) return undefined;
  const section = page.locator(`[id="${operation}"]`);
  await section.locator(".operation").waitFor();
  return section;
}
