// The API reference: finding an operation, trying it, and what it says when that fails.

import assert from "node:assert/strict";

import { openDocs, visit } from "./browser.mjs";

const MODELS = "get-v1-models";
const CHAT = "post-v1-chat-completions";

/** Sends the form of an operation and waits for its line of words to match. */
async function sends(section, words) {
  await section.getByRole("button", { name: "Send" }).click();
  const status = section.locator(".status");
  await status.filter({ hasText: words }).waitFor();
  return status.innerText();
}

const body = (section) => section.locator(".answer pre").innerText();

export async function docs(checks, browser, hub, member, size) {
  const on = (words) => `docs ${size.viewport.width}: ${words}`;
  const inDocs = (operation, work) =>
    visit(browser, size, async (page) => work(page, await openDocs(page, hub, operation)));

  await checks.case(on("a call with a key shows status and body"), () =>
    inDocs(MODELS, async (page, section) => {
      await page.getByLabel("Access token or API key").fill(member.key);
      const asked = page.waitForRequest(`${hub.url}/v1/models`);
      assert.match(await sends(section, "200"), /^200\s+OK$/);
      const headers = await (await asked).allHeaders();
      assert.equal(headers.authorization, `Bearer ${member.key}`);
      assert.equal(headers.cookie, undefined);
      assert.ok(JSON.parse(await body(section)).data.some(({ id }) => id === "sandbox"));
      assert.match(await section.locator(".answer > .note").innerText(), /^\d+ ms, request \S+$/);
      const command = await section.locator("figure", { hasText: "As a command" }).locator("pre").innerText();
      assert.equal(command, `curl '${hub.url}/v1/models' \\\n  -H "Authorization: Bearer $HUB_KEY"`);
    }),
  );

  await checks.case(on("a missing and a wrong credential are told apart in words"), () =>
    inDocs(MODELS, async (page, section) => {
      assert.match(await sends(section, "401"), /fill in .Access token or API key/);
      await page.getByLabel("Access token or API key").fill("sk_wrong");
      assert.match(await sends(section, "not accepted"), /mistyped/);
      await page.getByLabel("Access token or API key").fill("sk_…");
      assert.match(await sends(section, "Not sent"), /character that cannot be sent/);
    }),
  );

  await checks.case(on("a body that is not JSON is refused in words and not sent"), () =>
    inDocs(CHAT, async (page, section) => {
      let sent = 0;
      page.on("request", () => { sent += 1; });
      const field = section.getByLabel("Body (JSON)");
      await field.fill("{ nonsense");
      await section.getByRole("button", { name: "Send" }).click();
      await section.getByRole("alert").filter({ hasText: "This is not valid JSON" }).waitFor();
      assert.equal(await field.getAttribute("aria-invalid"), "true");
      assert.ok(await field.evaluate((one) => one === document.activeElement));
      assert.equal(sent, 0);
    }),
  );

  await checks.case(on("an error of the hub is shown with its fields"), () =>
    inDocs("post-api-auth-login", async (page, section) => {
      await section.getByLabel("Body (JSON)").fill("{}");
      assert.match(await sends(section, "400"), /not valid\. email is required\./);
    }),
  );

  await checks.case(on("a hub that cannot be reached is told in words"), () =>
    inDocs(MODELS, async (page, section) => {
      await page.context().setOffline(true);
      assert.match(await sends(section, "could not be reached"), /still running/);
    }),
  );

  await checks.case(on("a call can be stopped"), () =>
    inDocs(MODELS, async (page, section) => {
      await page.route("**/v1/models", () => {});
      await sends(section, "Waiting");
      await section.getByRole("button", { name: "Stop" }).click();
      await section.locator(".status").filter({ hasText: "You stopped the call." }).waitFor();
      assert.ok(await section.getByRole("button", { name: "Stop" }).isHidden());
    }),
  );

  await checks.case(on("the sandbox answers the example as it stands, and as a stream"), () =>
    inDocs(CHAT, async (page, section) => {
      await page.getByLabel("Access token or API key").fill(member.key);
      await sends(section, "200");
      await section.getByRole("button", { name: "Stop" }).waitFor({ state: "hidden" });
      assert.ok(JSON.parse(await body(section)).choices);
      const field = section.getByLabel("Body (JSON)");
      await field.fill(JSON.stringify({ ...JSON.parse(await field.inputValue()), stream: true }));
      await sends(section, "200");
      await section.locator(".answer pre").filter({ hasText: "data: [DONE]" }).waitFor();
    }),
  );

  await checks.case(on("a token from signing in serves the next calls"), () =>
    inDocs("post-api-auth-login", async (page, section) => {
      const { password } = await hub.run("admin", "reset-password", "--email", "admin@localhost");
      await section.getByLabel("Body (JSON)").fill(JSON.stringify({ email: "admin@localhost", password }));
      await sends(section, "200");
      await section.getByRole("button", { name: "Use as the credential of this page" }).click();
      const keys = await openDocs(page, hub, "post-api-keys");
      await keys.getByLabel("Body (JSON)").fill(`{"name": "from the page"}`);
      await sends(keys, "201");
      assert.match(JSON.parse(await body(keys)).key, /^sk_/);
    }),
  );

  await checks.case(on("the filter finds, counts and says when nothing matches"), () =>
    inDocs("", async (page) => {
      const filter = page.getByLabel("Find an operation");
      const state = page.locator("#state");
      const all = Number((await state.innerText()).match(/^(\d+) operations/)[1]);
      await filter.fill("v1 models");
      const found = await page.locator("#operations details:visible").count();
      assert.ok(found > 0 && found < all);
      assert.equal(await state.innerText(), `${found} found.`);
      await filter.fill("no such thing");
      assert.match(await state.innerText(), /^Nothing matches/);
      await filter.fill("");
      assert.equal(await page.locator("#operations details:visible").count(), all);
    }),
  );

  await checks.case(on("a document that cannot be read is told in words"), () =>
    visit(browser, size, async (page) => {
      await page.route("**/api/openapi.json", (route) => route.fulfill({ status: 503 }));
      await page.goto(`${hub.url}/docs`);
      await page.getByText("The document cannot be read: the hub answered 503.").waitFor();
    }),
  );
}

/** Opens two operations with an answer, an error and all fields in sight: what axe and the screenshots shall see. */
export async function workAt(page, hub, member) {
  const models = await openDocs(page, hub, MODELS);
  await sends(models, "401");
  const chat = page.locator(`[id="${CHAT}"]`);
  await chat.locator("> summary").click();
  await page.getByLabel("Access token or API key").fill(member.key);
  await sends(chat, "200");
  await chat.getByRole("button", { name: "Stop" }).waitFor({ state: "hidden" });
  const keys = page.locator(`[id="post-api-keys"]`);
  await keys.locator("> summary").click();
  await keys.locator(".operation").waitFor();
  for (const one of await keys.locator(".inner > summary").all()) await one.click();
}
