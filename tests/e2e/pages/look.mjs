// What can be measured of a page's looks: its width, what axe finds, where the keyboard leads.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Nothing but code blocks scrolls sideways. */
export async function fitsItsWidth(page) {
  const wide = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const all = [...document.body.querySelectorAll("*")];
    const beyond = all.filter((one) => one.getBoundingClientRect().right > clientWidth);
    return [`${scrollWidth} > ${clientWidth}`, ...beyond.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];
  });
  assert.deepEqual(wide, []);
}

/** axe finds nothing against WCAG 2.2 AA or its own best practices. */
export async function pleasesAxe(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations, passes } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    if (passes.length < 10) return ["axe hardly ran"];
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.failureSummary} ${node.html.slice(0, 160)}`),
    );
  });
  assert.deepEqual(found, []);
}

/** Tab goes through every control there is, in reading order, and shows where it is. Returns how many there are. */
export async function walksByKeyboard(page, least = 4) {
  const wanted = await page.evaluate(() => {
    globalThis.scrollTo(0, 0);
    // The next Tab starts at the top, wherever was clicked before.
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    const controls = document.querySelectorAll("a[href], button, input, textarea, select, summary, [tabindex='0']");
    const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
    globalThis.controls = [...controls].filter(shown);
    return globalThis.controls.map((one) => {
      const { left, right, top, bottom } = one.getBoundingClientRect();
      const name = one.id || one.textContent.trim().replace(/\s+/g, " ").slice(0, 40) || one.localName;
      return { name: `${one.localName} ${name}`, left, right, top, bottom };
    });
  });
  assert.ok(wanted.length >= least, "hardly any control was found");
  wanted.slice(1).forEach((one, at) => {
    const before = wanted[at];
    const later = one.top >= before.top - 12 || one.left >= before.right - 4;
    assert.ok(later, `${one.name} comes after ${before.name} but stands before it`);
  });
  for (const [at, one] of wanted.entries()) {
    await page.keyboard.press("Tab");
    const got = await page.evaluate(() => {
      const active = document.activeElement;
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(active);
      const box = active.getBoundingClientRect();
      const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      const tag = active.outerHTML.slice(0, 80);
      return { at: globalThis.controls.indexOf(active), tag, outlineStyle, outlineWidth, outlineColor, inView };
    });
    assert.equal(got.at, at, `Tab ${at + 1} should reach ${one.name} but reached ${got.tag}`);
    assert.equal(got.outlineStyle, "solid", `${one.name} shows no focus`);
    const faint = parseFloat(got.outlineWidth) < 2 || /, 0\)$/.test(got.outlineColor);
    assert.ok(!faint, `${one.name} hardly shows its focus`);
    assert.ok(got.inView, `${one.name} has the focus but is out of sight`);
  }
  return wanted.length;
}
