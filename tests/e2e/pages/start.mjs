// The start page does what it promises: its commands are exact, and they work.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { visit } from "./browser.mjs";

/** The commands of the page by their captions, as a reader would copy them. */
async function commands(page) {
  const blocks = await page.locator("figure.code").evaluateAll((all) =>
    all.map((one) => [one.querySelector("figcaption").textContent, one.querySelector("pre").textContent]),
  );
  return new Map(blocks);
}

async function shell(command, environment = {}) {
  const options = { env: { PATH: process.env.PATH, ...environment }, timeout: 30_000 };
  const quiet = command.replace("curl ", "curl --silent --show-error ");
  const { stdout } = await promisify(execFile)("bash", ["-c", quiet], options);
  return JSON.parse(stdout);
}

export async function start(checks, browser, hub) {
  await checks.case("start: the three steps work as they are written, for this address", () =>
    visit(browser, {}, async (page) => {
      await page.goto(hub.url);
      await page.locator("#health").waitFor();
      assert.match(await page.locator("#health").innerText(), /Ready, version \d/);
      assert.equal(await page.locator(".steps > li").count(), 3);
      const all = await commands(page);
      for (const [caption, command] of all) {
        for (const [address] of command.matchAll(/https?:\/\/[^/\s]+/g)) assert.equal(address, hub.url, caption);
      }
      const [program, ...words] = all.get("Make a key").split(" ");
      assert.equal(program, "hub");
      const { key } = await hub.run(...words);
      const [, name] = all.get("Keep the key").match(/^export ([A-Z_]+)='sk_/);
      const answer = await shell(all.get("Ask the sandbox"), { [name]: key });
      assert.ok(answer.choices?.[0].message.content, JSON.stringify(answer));
      const models = await shell(all.get("List models"), { [name]: key });
      assert.ok(models.data?.some(({ id }) => id === "sandbox"), JSON.stringify(models));
      assert.match(all.get("Start with a provider"), /^OPENAI_API_KEY=\S+ hub serve$/);
      assert.ok(all.get("Point a program here").includes(`OPENAI_BASE_URL=${hub.url}/v1\n`));
    }),
  );

  await checks.case("start: a key can be made over HTTP as it is written", () =>
    visit(browser, {}, async (page) => {
      await page.goto(hub.url);
      await page.locator("#health").waitFor();
      const { password } = await hub.run("admin", "reset-password", "--email", "admin@localhost");
      const blocks = await page.locator("#sign-in pre").allTextContents();
      const login = blocks[0].replace("you@example.com", "admin@localhost").replace("your password", password);
      const { accessToken } = await shell(login);
      const made = await shell(blocks[1], { ACCESS_TOKEN: accessToken });
      assert.match(made.key, /^sk_/, JSON.stringify(made));
    }),
  );

  await checks.case("start: a command is copied whole", () =>
    visit(browser, { permissions: ["clipboard-read", "clipboard-write"] }, async (page) => {
      await page.goto(hub.url);
      const figure = page.locator("figure.code", { hasText: "Ask the sandbox" });
      await figure.getByRole("button", { name: "Copy: Ask the sandbox" }).click();
      await figure.getByText("Copied").first().waitFor();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assert.equal(copied, await figure.locator("pre").textContent());
    }),
  );

  await checks.case("start: a hub that is not well says so", () =>
    visit(browser, {}, async (page) => {
      const report = { status: "degraded", checks: { database: "error", cache: "ok" } };
      await page.route("**/health", (route) => route.fulfill({ status: 503, json: report }));
      await page.goto(hub.url);
      await page.getByText("Not ready: database").waitFor();
    }),
  );

  await checks.case("both pages can be read without scripts", () =>
    visit(browser, { javaScriptEnabled: false }, async (page) => {
      await page.goto(hub.url);
      assert.ok(await page.getByText("admin create-key").isVisible());
      await page.goto(`${hub.url}/docs`);
      assert.ok(await page.getByLabel("Find an operation").isHidden());
      assert.ok(await page.locator("noscript p").isVisible());
    }),
  );
}
