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
// A4 less its margins, at 96 pixels an inch. Colours are the same at all widths, so that axe-core, which takes long, looks at each scheme once.
const views = [
  { media: "screen", scheme: "light", width: 400, axe: true },
  { media: "screen", scheme: "light", width: 800 },
  { media: "screen", scheme: "light", width: 1400 },
  { media: "screen", scheme: "dark", width: 400 },
  { media: "screen", scheme: "dark", width: 800 },
  { media: "screen", scheme: "dark", width: 1400, axe: true },
  { media: "print", scheme: "light", width: 687, axe: true },
];
let failed = 0, passed = 0;

// Who started this may be killed. Then nobody wants the answer, and the browser ends with this process.
const parent = process.ppid;
setInterval(() => { if (process.ppid !== parent) process.exit(1); }, 1000).unref();

// wide says what does not fit.
function wide(print) {
  const width = document.documentElement.clientWidth + 1, out = [];
  if (document.documentElement.scrollWidth > width) out.push(`is ${document.documentElement.scrollWidth} pixels wide`);
  for (const e of document.querySelectorAll("body *")) {
    // What scrolls by itself may be wider, but not on paper.
    if (e.getBoundingClientRect().right > width && (print || !e.closest(".scroll")) && e.checkVisibility()) out.push(`<${e.localName}> sticks out: ${e.textContent.trim().slice(0, 60)}`);
  }
  return out.slice(0, 5);
}

// look returns the faults of a page in each view.
async function look(file) {
  const faults = [];
  let view = {};
  const fault = (text) => faults.push(`${basename(file)} (${view.media}, ${view.scheme}, ${view.width}): ${text}`);
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  page.on("request", (r) => { if (!r.isNavigationRequest() && !r.url().startsWith("data:")) fault(`asks for ${r.url()}`); });
  page.on("console", (m) => fault(`console: ${m.text()}`));
  page.on("pageerror", (e) => fault(`script: ${e}`));
  for (view of views) {
    await page.setViewport({ width: view.width, height: 900 });
    // Each undoes the other.
    if (view.media === "print") await page.emulateMediaType("print");
    else await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: view.scheme }]);
    if (view === views[0]) {
      await page.goto(pathToFileURL(resolve(file)).href);
      // The rows of a picture's numbers are all alike, and axe-core takes a gigabyte and minutes for those of a long run.
      await page.evaluate(() => document.querySelectorAll("table.data tr:nth-child(n+100)").forEach((row) => row.remove()));
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
      await page.evaluate(axe);
    }
    for (const text of await page.evaluate(wide, view.media === "print")) fault(text);
    if (!view.axe) continue;
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    for (const v of violations) fault(`axe ${v.id}: ${v.help}: ${v.nodes[0].html.slice(0, 200)}`);
  }
  await page.close();
  return faults;
}

for (const file of files) {
  let faults;
  try {
    faults = await look(file);
  } catch (e) {
    // The browser is gone, which is not the page's fault: once more with another.
    console.log(`check-html: ${e.message}; once more`);
    await browser.close().catch(() => {});
    browser = await launch();
    faults = await look(file);
  }
  for (const fault of faults) console.log(fault);
  if (faults.length) failed++; else passed++;
}
await browser.close();
console.log(`check-html: ${passed} pages passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
