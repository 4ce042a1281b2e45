// node check.mjs BROWSER FILE...: opens each page in light and dark and at three widths, and as print. A page must load nothing, say nothing on the
// console, fit its width, and pass axe-core. Exits with 1 if one does not.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [browserPath, ...files] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// A busy machine takes its time.
const launch = () => puppeteer.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-dev-shm-usage"], protocolTimeout: 600_000, timeout: 120_000 });
let browser = await launch();
// A4 less its margins, at 96 pixels an inch.
const views = [
  ...["light", "dark"].flatMap((scheme) => [400, 800, 1400].map((width) => ({ media: "screen", scheme, width }))),
  { media: "print", scheme: "light", width: 687 },
];
let failed = 0, passed = 0;

async function look(file, view) {
  const faults = [];
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  page.on("request", (r) => { if (!r.isNavigationRequest() && !r.url().startsWith("data:")) faults.push(`asks for ${r.url()}`); });
  page.on("console", (m) => faults.push(`console: ${m.text()}`));
  page.on("pageerror", (e) => faults.push(`script: ${e}`));
  await page.setViewport({ width: view.width, height: 900 });
  // Each undoes the other.
  if (view.media === "print") await page.emulateMediaType("print");
  else await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: view.scheme }]);
  await page.goto(pathToFileURL(resolve(file)).href);
  if (view.media === "screen") await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  faults.push(...await page.evaluate((print) => {
    const wide = document.documentElement.clientWidth + 1, out = [];
    if (document.documentElement.scrollWidth > wide) out.push(`is ${document.documentElement.scrollWidth} pixels wide`);
    for (const e of document.querySelectorAll("body *")) {
      // What scrolls by itself may be wider, but not on paper.
      if (e.getBoundingClientRect().right > wide && (print || !e.closest(".scroll")) && e.checkVisibility()) out.push(`<${e.localName}> sticks out: ${e.textContent.trim().slice(0, 60)}`);
    }
    return out.slice(0, 5);
  }, view.media === "print"));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  for (const v of violations) faults.push(`axe ${v.id}: ${v.help}: ${v.nodes[0].html.slice(0, 200)}`);
  await page.close();
  return faults;
}

for (const file of files) {
  for (const view of views) {
    let faults;
    try {
      faults = await look(file, view);
    } catch (e) {
      // The browser is gone, which is not the page's fault: once more with another.
      console.log(`check-html: ${e.message}; once more`);
      await browser.close().catch(() => {});
      browser = await launch();
      faults = await look(file, view);
    }
    for (const fault of faults) console.log(`${basename(file)} (${view.media}, ${view.scheme}, ${view.width}): ${fault}`);
    if (faults.length) failed++; else passed++;
  }
}
await browser.close();
console.log(`check-html: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
