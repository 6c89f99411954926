// Counting checks. A failed check is printed and counted; the suite goes on, so one run tells all.

export class Checks {
  passed = 0;
  failed = 0;
  #begun = Date.now();

  /** One named check: it fails when its body throws. */
  async case(name, body) {
    const begun = Date.now();
    try {
      await body();
      this.passed += 1;
      console.log(`ok     ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.failed += 1;
      const place = error.stack?.split("\n").find((line) => line.includes(".mjs:"))?.trim() ?? "";
      console.log(`FAILED ${name}: ${error.message} ${place}`);
    }
  }

  /** Prints the closing line; the exit code is 0 only when everything passed. */
  finish() {
    console.log(`${Math.round((Date.now() - this.#begun) / 1000)} s`);
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed === 0 && this.passed > 0 ? 0 : 1;
  }
}
