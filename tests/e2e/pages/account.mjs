// The pages that mails link to: whoever follows the link gets there with the keyboard alone, and looking changes nothing.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { visit } from "./browser.mjs";

/** Every page, with an address under which its form can be filled in. */
export const ACCOUNT = [
  "/login", "/forgot-password", "/reset-password?token=t", "/verify-email?token=t", "/accept-invite?token=t", "/change-email?token=t",
  "/revert-email?token=t",
];

/** The newest link to this page in the outbox, as a path. */
async function mailed(hub, page) {
  const outbox = path.join(hub.data, "outbox");
  for (let tries = 0; tries < 100; tries += 1) {
    const files = (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith(".eml")).sort().reverse();
    for (const file of files) {
      const text = (await readFile(path.join(outbox, file), "utf8")).replace(/=\r?\n/g, "").replace(/=3D/g, "=");
      const [, link] = text.match(new RegExp(`(/${page}\\?token=[A-Za-z0-9_-]+)`)) ?? [];
      if (link) return link;
    }
    await sleep(100);
  }
  throw new Error(`no mail with a link to /${page}`);
}

/** Types into the focused page and sends by Enter, then waits for what is said. */
async function fill(page, words) {
  for (const word of words) {
    await page.keyboard.press("Tab");
    await page.keyboard.type(word);
  }
  if (!words.length) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  return page.locator("[role=status]").innerText();
}

const POST = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export async function account(checks, browser, hub) {
  const email = `new-${randomBytes(4).toString("hex")}@example.com`;
  const [first, second] = [`First-${randomBytes(8).toString("hex")}!`, `Second-${randomBytes(8).toString("hex")}!`];

  await checks.case("account: a registration is confirmed from its mail, and signs in, with the keyboard alone", async () => {
    await fetch(`${hub.url}/api/auth/register`, POST({ email, password: first, name: "New" }));
    const link = await mailed(hub, "verify-email");
    await visit(browser, {}, async (page, watched) => {
      // What opens links before their reader does.
      for (const method of ["HEAD", "GET", "GET"]) assert.equal((await fetch(hub.url + link, { method })).status, 200);
      await page.goto(hub.url + link);
      assert.ok(!page.url().includes("token"), "the secret left the address");
      assert.match(await fill(page, []), /verified|confirmed/);
      await page.goto(`${hub.url}/login`);
      assert.match(await fill(page, [email, first]), /signed in/);
      const cookies = await page.context().cookies();
      assert.ok(cookies.some((cookie) => cookie.httpOnly), "the session is in a cookie that script cannot read");
      watched.none();
    });
  });

  await checks.case("account: a forgotten password is replaced from its mail, and a used link says so", () =>
    visit(browser, {}, async (page) => {
      await page.goto(`${hub.url}/forgot-password`);
      await fill(page, [email]);
      const link = await mailed(hub, "reset-password");
      await page.goto(hub.url + link);
      await page.keyboard.press("Tab");
      await page.keyboard.type("short");
      await page.keyboard.press("Enter");
      await page.locator("[role=alert]").waitFor();
      await page.locator("#password").fill(second);
      await page.keyboard.press("Enter");
      assert.match(await page.locator("[role=status]").innerText(), /changed/);
      const login = (password) => fetch(`${hub.url}/api/auth/login`, POST({ email, password }));
      assert.equal((await login(first)).status, 401);
      assert.equal((await login(second)).status, 200);
      await page.goto(hub.url + link);
      await page.locator("#password").fill(first);
      await page.keyboard.press("Enter");
      await page.locator("[role=alert]").waitFor();
      assert.equal((await login(second)).status, 200);
    }),
  );

  await checks.case("account: a link without its end cannot be sent", () =>
    visit(browser, {}, async (page) => {
      await page.goto(`${hub.url}/reset-password`);
      assert.match(await page.locator("[role=alert]").innerText(), /not complete/);
      assert.ok(await page.locator("button").isDisabled());
    }),
  );
}
