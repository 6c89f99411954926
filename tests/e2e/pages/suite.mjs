// The start page, the pages that mails link to and the API reference in Chromium: on a desk and on a phone, light and dark.

import assert from "node:assert/strict";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { Checks } from "../lib/node/checks.mjs";
import { embedded } from "../lib/node/hub.mjs";
import { Member } from "../lib/node/member.mjs";
import { ACCOUNT, account } from "./account.mjs";
import { launch, openDocs, visit } from "./browser.mjs";
import { docs, workAt } from "./docs.mjs";
import { fitsItsWidth, pleasesAxe, walksByKeyboard } from "./look.mjs";
import { start } from "./start.mjs";

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const NARROWEST = { viewport: { width: 320, height: 640 } };

const shots = process.env.HUB_SCREENSHOTS || (await mkdtemp(path.join(tmpdir(), "hub-pages-")));
await mkdir(shots, { recursive: true });

async function openStart(page, hub) {
  await page.goto(hub.url);
  await page.locator("#health").waitFor();
}

const PAGES = [
  ["start", openStart],
  ["docs", openDocs],
];

async function looks(checks, browser, hub, member, size, colorScheme) {
  const { width } = size.viewport;
  const file = (name) => path.join(shots, `${name}-${width}-${colorScheme}.png`);
  for (const [name, open] of PAGES) {
    await checks.case(`${name} ${width} ${colorScheme}: loads quietly, fits, pleases axe, walks by keyboard`, () =>
      visit(browser, { ...size, colorScheme }, async (page, watched) => {
        await open(page, hub);
        await page.screenshot({ path: file(name), fullPage: name === "start" });
        await fitsItsWidth(page);
        watched.none();
        await walksByKeyboard(page);
        await pleasesAxe(page);
        watched.none();
      }),
    );
  }
  for (const address of ACCOUNT) {
    const name = address.slice(1).split("?")[0];
    await checks.case(`${name} ${width} ${colorScheme}: loads quietly, fits, pleases axe, walks by keyboard`, () =>
      visit(browser, { ...size, colorScheme }, async (page, watched) => {
        await page.goto(hub.url + address);
        await page.screenshot({ path: file(name), fullPage: true });
        await fitsItsWidth(page);
        await walksByKeyboard(page, 3);
        await pleasesAxe(page);
        watched.none();
      }),
    );
  }
  await checks.case(`docs ${width} ${colorScheme}: at work it still fits, pleases axe, walks by keyboard`, () =>
    visit(browser, { ...size, colorScheme }, async (page, watched) => {
      await workAt(page, hub, member);
      await page.screenshot({ path: file("docs-at-work") });
      for (const name of ["get-v1-models", "post-v1-chat-completions", "post-api-keys"]) {
        await page.locator(`[id="${name}"]`).screenshot({ path: file(name) });
      }
      await fitsItsWidth(page);
      await walksByKeyboard(page);
      await pleasesAxe(page);
      // The call without a credential is an error on purpose; a browser reports it twice.
      assert.deepEqual(watched.faults.filter((fault) => !/401/.test(fault)), []);
    }),
  );
}

async function widths(checks, browser, hub) {
  for (const size of [NARROWEST, PHONE, DESK]) {
    await checks.case(`docs ${size.viewport.width}: with everything open nothing but code scrolls sideways`, () =>
      visit(browser, size, async (page, watched) => {
        await openDocs(page, hub);
        // Opening the outer ones makes the inner ones.
        for (const inside of ["details.call", "details.inner"]) {
          await page.locator(inside).evaluateAll((all) => all.forEach((one) => { one.open = true; }));
          await page.waitForFunction(() => !document.querySelector("details.call > summary:only-child"));
        }
        await fitsItsWidth(page);
        watched.none();
      }),
    );
  }
  await checks.case("start 320: nothing but code scrolls sideways", () =>
    visit(browser, NARROWEST, async (page) => {
      await openStart(page, hub);
      await fitsItsWidth(page);
    }),
  );
}

// The checks above would also pass if nothing were watched.
async function watching(checks, browser, hub) {
  await checks.case("the policy refuses an inline script and an inline style, and the suite notices", () =>
    visit(browser, DESK, async (page, watched) => {
      await openStart(page, hub);
      await page.evaluate(() => {
        for (const name of ["script", "style"]) {
          document.body.append(Object.assign(document.createElement(name), { textContent: "globalThis.ran = true" }));
        }
      });
      assert.equal(await page.evaluate(() => globalThis.ran), undefined);
      for (const directive of ["script-src", "style-src"]) {
        const noticed = watched.faults.some((fault) => fault.startsWith(`policy: ${directive}`));
        assert.ok(noticed, `${directive}: ${watched.faults}`);
      }
    }),
  );
  await checks.case("the suite notices what is too wide, has no name or hides its focus", () =>
    visit(browser, DESK, async (page) => {
      await openStart(page, hub);
      await page.evaluate(() => {
        document.querySelector("main").append(Object.assign(document.createElement("img"), { width: 3000, height: 9 }));
        document.querySelector(".cards a").style.outline = "none";
      });
      await assert.rejects(fitsItsWidth(page), /<img/);
      await assert.rejects(pleasesAxe(page), /image-alt/);
      await assert.rejects(walksByKeyboard(page), /API reference shows no focus/);
    }),
  );
}

const checks = new Checks();
const browser = await launch();
try {
  await embedded({ HUB__SANDBOX__ENABLED: "true", HUB__SANDBOX__DELAY_MS: "0" }, async (_, hub) => {
    await hub.start();
    const member = await Member.make(hub, 10);
    for (const size of [DESK, PHONE]) {
      for (const colorScheme of ["light", "dark"]) await looks(checks, browser, hub, member, size, colorScheme);
    }
    await widths(checks, browser, hub);
    await watching(checks, browser, hub);
    await start(checks, browser, hub);
    await account(checks, browser, hub);
    for (const size of [DESK, PHONE]) await docs(checks, browser, hub, member, size);
    await checks.case("the hub ends well", async () => assert.equal(await hub.stop(), 0));
  });
} finally {
  await browser.close();
}
console.log(`screenshots: ${shots}`);
checks.finish();
