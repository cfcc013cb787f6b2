/** Timers as tabs have them that have been hidden for long. */
import { until } from './until.js';

/** Flags of Chromium: what otherwise comes after five minutes comes after five seconds. */
export const THROTTLED = [
  '--intensive-wake-up-throttling-policy=force-enable',
  '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5',
];
/** ms */
const GRACE = 7000;

/**
 * The tab has been hidden for so long that its timers run once a second at most, and as a rule once a
 * minute: Chromium lets a page that was busy a moment ago have a few more.
 * @param {import('./tab.js').Tab} tab
 */
export async function throttled(tab) {
  await tab.page.evaluate(() => {
    window.ticks = [];
    setInterval(() => window.ticks.push(performance.now()), 100);
  });
  await until('a hidden tab whose timers are throttled', 60_000, () =>
    tab.page.evaluate((grace) => {
      const now = performance.now();
      window.hiddenSince = document.hidden ? (window.hiddenSince ?? now) : undefined;
      return now - window.hiddenSince > grace && window.ticks.filter((at) => at > now - 5000).length <= 5;
    }, GRACE),
  );
}
