/**
 * Random numbers that a seed repeats (mulberry32). A failing schedule prints its seed.
 * @param {number} seed
 */
export function randomFrom(seed) {
  let a = seed >>> 0;
  const random = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Object.assign(random, {
    between: (low, high) => low + random() * (high - low),
    integer: (below) => Math.floor(random() * below),
    pick: (list) => list[Math.floor(random() * list.length)],
    chance: (share) => random() < share,
    hex: (bytes) => Array.from({ length: bytes }, () => Math.floor(random() * 256).toString(16).padStart(2, '0')).join(''),
  });
}
