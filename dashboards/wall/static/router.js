// Which page an address names, and going from one to another while the websocket stays.
//
// A page is `class XPage { constructor(context); open(params); draw(); tick(now); close() }`:
//   open(params)   shown from now on; params: {id, at?, day?}; again where only the parameters change
//   draw()         answers a lit template; called after every change of what is known and after context.redraw()
//   tick(now)      four times a second, `now` as the server's clock (of a stopped screen: the time at which it stopped)
//   close()        left: stop following calls, drop timers
//   cards()        (optional) the cards that the keys c, r, f, m ... are about
//   key(event)     (optional) true where it has dealt with a key
//   title()        (optional) for the browser's tab
// context: {link, model, words(), go(path), redraw(), act(action, cards), buttons(cards), toast(text, kind)};
// links between pages are plain <a href="/calls/...">.

const ROUTES = [
  [/^\/desk\/?$/, "list"],
  [/^\/alerts\/([^/]+)\/?$/, "alert"],
  [/^\/calls\/([^/]+)\/?$/, "call"],
  [/^\/agents\/([^/]+)\/?$/, "agent"],
  [/^\/rules\/?$/, "rules"],
  [/^\/search\/?$/, "search"],
];
const IS_DAY = /^\d{4}-\d{2}-\d{2}$/;
/** What stays in the address from page to page. */
export const CARRIED = ["lang", "team"];

/** {name, params} of an address of this desk, else null. */
function match(url) {
  for (const [pattern, name] of ROUTES) {
    const found = pattern.exec(url.pathname);
    if (found) return { name, params: parameters(found[1], url.searchParams) };
  }
  return null;
}

function parameters(id, query) {
  const [at, day] = [query.get("at"), query.get("day")];
  const when = at === null || at === "" ? NaN : Number(at);
  return { ...(id !== undefined && { id: plain(id) }), ...(Number.isFinite(when) && { at: when }), ...(IS_DAY.test(day) && { day }) };
}

function plain(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id; // a stray % is part of the id then
  }
}

export class Router {
  /** How many pages of this desk lie behind this one: where "back" stays on the desk. */
  depth = 0;

  /** `arrive()` is called when the address has changed. */
  constructor(arrive) {
    this.arrive = arrive;
    addEventListener("popstate", ({ state }) => {
      this.depth = state?.depth ?? 0;
      arrive();
    });
    document.addEventListener("click", (event) => this.#click(event));
  }

  /** The page that the address names. */
  get place() {
    return match(new URL(location.href)) ?? { name: "list", params: {} };
  }

  /** Go to a path of this desk; language and team go along. */
  go(path, { replace = false } = {}) {
    const url = new URL(path, location.origin);
    const now = new URLSearchParams(location.search);
    for (const name of CARRIED) if (now.has(name) && !url.searchParams.has(name)) url.searchParams.set(name, now.get(name));
    this.#visit(url.pathname + url.search, replace);
  }

  /** Back to where this page was opened from, else to the list. */
  back() {
    if (this.depth > 0) history.back();
    else this.go("/desk");
  }

  /** Change the query of the present page; "" and null take a name out. */
  query(changes, { replace = false } = {}) {
    const params = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) value ? params.set(name, value) : params.delete(name);
    const text = params.toString();
    this.#visit(location.pathname + (text ? `?${text}` : ""), replace);
  }

  #visit(address, replace) {
    if (!replace) this.depth += 1;
    history[replace ? "replaceState" : "pushState"]({ depth: this.depth }, "", address);
    this.arrive();
  }

  #click(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.origin !== location.origin) return;
    const url = new URL(link.href);
    if (!match(url)) return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }
}
