// Running clocks: elements of class "clock" with the properties `since` (Unix seconds) and, once they stand, `until`.

import { clock } from "./words.js";

const all = document.getElementsByClassName("clock");

/** Write what every clock shows at `now`, touching only those that changed. They all step on the same second. */
export function runClocks(now) {
  const second = Math.floor(now);
  for (const element of all) {
    const text = element.since === undefined ? "" : clock((element.until ?? second) - element.since);
    const wanted = element.dataset.short === undefined ? text : text.replace(/^0/, "");
    if (element.says === wanted) continue;
    element.says = wanted;
    element.textContent = wanted;
  }
}

/** Call `tick` on each whole second of the clock `now()` (Unix seconds), a little after it. */
export function everySecond(now, tick) {
  const again = () => {
    tick();
    const at = now();
    setTimeout(again, Math.max(50, (Math.floor(at) + 1 - at) * 1000 + 5));
  };
  again();
}
