/** Timers as a tab has them that was hidden for five minutes, after five seconds. */
import { until } from './until.js';

/** Flags of Chromium. */
export const THROTTLED = [
  '--intensive-wake-up-throttling-policy=force-enable',
  '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5',
];

/** The browser lets this tab's timers run once a minute. @param {import('./tab.js').Tab} tab */
export async function throttled(tab) {
  await tab.page.evaluate(() => {
    const tick = () => (window.tickedAt = performance.now());
    tick();
    setInterval(tick, 100);
  });
  await until('timers to be throttled', 60_000, () => tab.page.evaluate(() => performance.now() - window.tickedAt > 3000));
}
