// The token that this screen shows: from the address, kept for the tab, or given by another tab of this browser, so that a
// link that opens a new tab asks nobody anything. It is never sent but as a header to this server.

const KEY = "sansheng.token";
/** How long other tabs are waited for, ms. */
const NEIGHBOURS_MS = 200;

let here = ""; // where storage is switched off

/** The one in the address, else "". */
export const inAddress = () => new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

/** Keep it for this tab; "" forgets it. */
export function keep(token) {
  here = token;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // then it is known until the page is left
  }
}

/** The one that is kept, else "". */
export function kept() {
  try {
    return sessionStorage.getItem(KEY) ?? here;
  } catch {
    return here;
  }
}

const channel = new BroadcastChannel("sansheng");

/**
 * Answer other tabs of the same mode for as long as `isOpen()`: a token that lets nobody in helps nobody. `left()` is
 * called when somebody has logged out in one of them.
 */
export function heedNeighbours(mode, isOpen, left) {
  channel.addEventListener("message", ({ data }) => {
    if (data.wanted === mode && isOpen() && kept()) channel.postMessage({ given: mode, token: kept() });
    if (data.left === mode) left();
  });
}

/** Tell all other tabs of that mode that the token is not to be used any more. */
export const tellNeighboursToLeave = (mode) => channel.postMessage({ left: mode });

/** The token of another tab of that mode; "" where there is none. */
export function askNeighbours(mode) {
  return new Promise((resolve) => {
    const done = (token) => {
      channel.removeEventListener("message", hear);
      resolve(token);
    };
    const hear = ({ data }) => data.given === mode && done(data.token);
    channel.addEventListener("message", hear);
    channel.postMessage({ wanted: mode });
    setTimeout(() => done(""), NEIGHBOURS_MS);
  });
}
