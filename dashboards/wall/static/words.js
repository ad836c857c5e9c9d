// The words that every page shares and those of wall mode, in Chinese and English. Owns the language in use and the
// writing of people and times. A page with words of its own keeps them in its own file and reads them by `inLanguage`.

const zh = {
  lang: "zh-CN",
  other: "EN",
  otherHint: "Switch to English",
  tagline: "热线实时监控",
  // shared: what an alert and a call are called
  severity: { critical: "严重", warning: "警告", notice: "提示" },
  phase: { offered: "排队", ringing: "振铃", talking: "通话", held: "保持", transferring: "转接", ended: "已结束" },
  finding: { open: "未处理", true: "属实", false: "误报" },
  cleared: "已解除",
  past: "已发生",
  ongoing: (t) => `${t} 起`,
  happened: (t) => `发生于 ${t}`,
  clearedAt: (t) => `${t} 解除`,
  agent: (p) => (p.name ? `${p.name} ${p.id}` : `${p.id} 号坐席`),
  person: (p) => p.name || p.id,
  nobody: "坐席未知",
  several: (first, n) => `${first} 等 ${n} 人`,
  queue: (q) => (/[a-z0-9]$/i.test(q) ? `${q} 队列` : `${q}队列`),
  direct: "直拨来电",
  to: (who) => `转给 ${who}`,
  outbound: "呼出",
  endedBy: { customer: "客户先挂机", agent: "坐席先挂机", system: "系统释放", nobody: "未接通", gaveUp: "客户放弃" },
  clause: (c) => `《${c.title || c.manual}》${c.section}`,
  quote: (q) => `“${q}”`,
  onTrial: (text) => `[试行] ${text}`,
  bySound: ["据音", "据音听写"],
  handledBy: (who) => `${who} 处理中`,
  unclaimed: "无人处理",
  alike: (n) => `近期 ${n} 次`,
  times: (what, n) => `${what} ×${n}`.trim(),
  further: (n, calls) => `${calls > 1 ? "这些" : "同一"}通话另有 ${n} 条`,
  nobodyShort: "无人",
  alsoCalls: (n, list) => `另有 ${n} 通：${list}`,
  alsoAlerts: (n) => `同一通话另有 ${n} 条`,
  precision: (n, wrong) => `近 7 天 ${n} 条，误报 ${wrong}`,
  since: (t) => `自 ${t}`,
  state: {
    connecting: "连接中",
    live: "实时",
    stale: "数据陈旧",
    disconnected: "已断开",
    denied: "无权访问",
    engine: "检测中断",
    ears: "语音受限",
  },
  cause: {
    opening: ["正在连接监控服务", "连上后自动显示"],
    reading: ["正在读取今日记录", "读完后自动显示"],
    kafkaFirst: ["监控服务正在连接消息系统", "连上后自动显示"],
    waiting: ["正在等待检测引擎和话务接口的信号", "收到后转为实时"],
    server: ["监控服务无响应", "画面停在最后一次更新，计时已停止"],
    kafka: ["监控服务读不到话务数据", "画面停在最后一次更新，计时已停止；请通知系统管理员检查消息系统"],
    detect: ["检测引擎无响应", "来电仍在更新，但不会再有新的告警：没有告警不等于没有问题"],
    detectTrouble: ["检测引擎报告故障", "来电仍在更新，但告警可能不全"],
    pbx: ["话务接口断开", "收不到总机的来电事件，画面停在断开时的情形；请通知系统管理员"],
    listen: ["语音接入无响应", "听不到新的通话：与说话内容有关的规则暂不能判定；振铃、保持等电话类告警照常"],
    listenTrouble: ["语音接入报告故障", "部分通话可能听不到：与说话内容有关的规则可能无法判定；电话类告警照常"],
    recognise: ["语音识别无响应", "通话内容暂时没有转写：与说话内容有关的规则不能判定；振铃、保持等电话类告警照常"],
    recogniseTrouble: ["语音识别跟不上或有故障", "与说话内容有关的告警可能迟到，或无法判定；电话类告警照常"],
    closed: ["与监控服务的连接已断开", "画面停在断开时的情形，计时已停止；正在自动重新连接"],
  },
  archive: {
    dead: ["归档中断", "归档服务无响应：通话暂未存入归档，恢复后会自动补齐；实时监控不受影响"],
    full: ["归档已满", "归档空间已满：通话暂时存不进去，先留在消息系统里，最多一周；请通知系统管理员腾出空间。实时监控不受影响"],
    trouble: ["归档故障", "归档服务报告故障：通话暂时存不进去，先留在消息系统里，最多一周；请通知系统管理员。实时监控不受影响"],
  },
  pager: {
    dead: ["值班通知受限", "值班通知服务无响应：出现严重告警时，值班人员的手机等暂时收不到通知，恢复后补发。请留意屏幕，并通知系统管理员。实时监控不受影响"],
    trouble: ["值班通知受限", "值班通知服务报告故障：部分通知可能发不出去，服务会自动重试。请留意屏幕，并通知系统管理员。实时监控不受影响"],
  },
  // wall mode
  engineAlive: (s) => `检测引擎 ${s} 秒前`,
  engineOk: "检测引擎正常",
  engineSilent: (since) => `检测引擎 ${since} 无信号`,
  engineTrouble: "检测引擎故障",
  engineUnknown: "检测引擎 –",
  sound: { on: "声音 开", off: "声音 关", blocked: "声音 被浏览器拦截", none: "声音 不可用" },
  soundHint: {
    on: "出现新的严重告警时提示，点击关闭",
    off: "点击开启：出现新的严重告警时提示",
    blocked: "浏览器要求先点击一次才能发声，点击允许",
    none: "这个浏览器不支持发声",
  },
  waitingNow: "等候接听",
  calls: "通",
  longest: "最久等候",
  noneWaiting: "无人等候",
  overLimit: (s) => `已超 ${s} 秒`,
  level: (s) => `${s} 秒接通率`,
  lately: "近 30 分钟",
  today: "今日",
  ofCalls: (n, of) => `${n}/${of}`,
  offered: "今日来电",
  answered: "接听",
  abandoned: "放弃",
  perHour: "每小时告警",
  perHourLines: ["每小时", "告警"],
  perHourSays: (parts) => `最近 12 小时每小时的告警：${parts}`,
  hourSays: (hour, parts) => `${hour} 点 ${parts}`,
  alertsToday: "今日",
  goingOn: "正在发生",
  happenedNow: "已发生",
  floor: "当前来电",
  hush: (rules, held) => `已静音 ${rules} 条规则、${held} 条告警`,
  hushBefore: (n) => `今日已静音 ${n} 条告警`,
  hushLine: (what, queue, until, who) => `${what} · ${queue || "所有队列"} · 至 ${until}（${who}）`,
  hushMore: (n) => `另 ${n} 项`,
  recent: "最近告警",
  moreAlerts: (n, live, parts) => `另有 ${n} 条告警（${live ? `正在发生 ${live}` : "均已发生"}）：${parts}`,
  moreCalls: (n) => `另有 ${n} 通`,
  noCalls: "当前没有来电",
  quiet: "目前无告警",
  lastEvent: (t) => `最近一次话务事件 ${t}`,
  noEvent: "今日还没有话务事件",
  unsure: "无法判断是否有告警",
  unsureMore: "数据不是最新的，没有显示告警不等于没有问题",
  unheard: "电话类规则目前无告警",
  unheardMore: "通话内容暂时无法判定，没有告警不等于没有问题",
  waiting: "正在取得告警",
  waitingMore: "请稍候",
  denied: "无权访问",
  deniedWhy: "访问口令不正确，或地址里没有口令。",
  deniedDo: [
    "向系统管理员索取监控墙的完整地址（末尾带 #token=… 的那一条）",
    "在浏览器地址栏粘贴完整地址后回车",
    "监控服务重启后口令可能已更换，请换用新地址",
  ],
};

const en = {
  lang: "en",
  other: "中文",
  otherHint: "切换为中文",
  tagline: "Hotline, live",
  severity: { critical: "Critical", warning: "Warning", notice: "Notice" },
  phase: {
    offered: "Queued", ringing: "Ringing", talking: "Talking", held: "On hold", transferring: "Transfer", ended: "Ended",
  },
  finding: { open: "Undecided", true: "Right", false: "False alarm" },
  cleared: "Cleared",
  past: "Happened",
  ongoing: (t) => `since ${t}`,
  happened: (t) => `at ${t}`,
  clearedAt: (t) => `cleared ${t}`,
  agent: (p) => (p.name ? `${p.name} (${p.id})` : `agent ${p.id}`),
  person: (p) => p.name || p.id,
  nobody: "agent unknown",
  several: (first, n) => `${first} +${n - 1}`,
  queue: (q) => `queue ${q}`,
  direct: "direct call",
  to: (who) => `to ${who}`,
  outbound: "outbound",
  endedBy: {
    customer: "customer hung up", agent: "agent hung up", system: "released", nobody: "no answer", gaveUp: "abandoned",
  },
  clause: (c) => `${c.title || c.manual}, ${c.section}`,
  quote: (q) => `“${q}”`,
  onTrial: (text) => `[on trial] ${text}`,
  bySound: ["by sound", "Written by sound"],
  handledBy: (who) => `${who} is on it`,
  unclaimed: "Nobody on it",
  alike: (n) => `${n}× lately`,
  times: (what, n) => `${what} ×${n}`.trim(),
  further: (n, calls) => `${n} more in ${calls > 1 ? "these calls" : "this call"}`,
  nobodyShort: "Nobody",
  alsoCalls: (n, list) => `${n} more calls: ${list}`,
  alsoAlerts: (n) => `${n} more of this call`,
  precision: (n, wrong) => `${n} in 7 days, ${wrong} false`,
  since: (t) => `since ${t}`,
  state: {
    connecting: "Connecting",
    live: "Live",
    stale: "Stale",
    disconnected: "Disconnected",
    denied: "Not allowed",
    engine: "Detector down",
    ears: "Not hearing",
  },
  cause: {
    opening: ["Connecting to the wall's server", "The floor appears by itself"],
    reading: ["Reading today's record", "The floor appears by itself"],
    kafkaFirst: ["The server is connecting to the message broker", "The floor appears by itself"],
    waiting: ["Waiting for the detector and the PBX gateway", "Turns live by itself"],
    server: ["The server does not respond", "The screen shows the last update; clocks are stopped"],
    kafka: ["The server cannot read the call data", "The screen shows the last update; clocks are stopped. Tell the administrator to check the broker"],
    detect: ["The detector does not respond", "Calls go on, but no new alerts will come: no alert does not mean no problem"],
    detectTrouble: ["The detector reports a fault", "Calls go on, but alerts may be missing"],
    pbx: ["The PBX gateway is down", "No call events arrive; the screen shows the floor as it was. Tell the administrator"],
    listen: ["The gateway of audio does not respond", "New calls are not heard: rules about words cannot be judged. Alerts about ringing and holding go on"],
    listenTrouble: ["The gateway of audio reports a fault", "Some calls may not be heard: rules about words may not be judged. Alerts of the telephone go on"],
    recognise: ["The recogniser does not respond", "Nothing is written down: rules about words cannot be judged. Alerts about ringing and holding go on"],
    recogniseTrouble: ["The recogniser is behind, or at fault", "Alerts about words may be late, or not judged. Alerts of the telephone go on"],
    closed: ["The connection to the server is lost", "The screen shows the floor as it was, clocks are stopped; reconnecting"],
  },
  archive: {
    dead: ["Archive down", "The archivist does not respond: calls are stored later by themselves; what is live goes on"],
    full: ["Archive full", "The archive has no room: calls wait in Kafka, for a week at most. Tell the administrator; what is live goes on"],
    trouble: ["Archive at fault", "The archivist reports a fault: calls wait in Kafka, for a week at most. Tell the administrator; what is live goes on"],
  },
  pager: {
    dead: ["Paging limited", "The pager does not respond: nobody is called for a critical alert until it is back, then late. Watch the screen and tell the administrator; what is live goes on"],
    trouble: ["Paging limited", "The pager reports a fault: some receivers may not be reached, it tries again by itself. Watch the screen and tell the administrator; what is live goes on"],
  },
  engineAlive: (s) => `Detector ${s} s ago`,
  engineOk: "Detector works",
  engineSilent: (since) => `Detector silent ${since}`,
  engineTrouble: "Detector at fault",
  engineUnknown: "Detector –",
  sound: { on: "Sound on", off: "Sound off", blocked: "Sound blocked by the browser", none: "No sound" },
  soundHint: {
    on: "Two tones for a new critical alert; click to switch off",
    off: "Click to hear two tones for a new critical alert",
    blocked: "The browser wants a click before it makes a sound: click to allow it",
    none: "This browser cannot make a sound",
  },
  waitingNow: "Waiting",
  calls: "calls",
  longest: "Longest wait",
  noneWaiting: "Nobody",
  overLimit: (s) => `Over ${s} s`,
  level: (s) => `Within ${s} s`,
  lately: "30 min",
  today: "Today",
  ofCalls: (n, of) => `${n}/${of}`,
  offered: "Calls",
  answered: "Answered",
  abandoned: "Gave up",
  perHour: "Alerts an hour",
  perHourLines: ["Alerts", "an hour"],
  perHourSays: (parts) => `Alerts of each of the last 12 hours: ${parts}`,
  hourSays: (hour, parts) => `${hour}:00 ${parts}`,
  alertsToday: "Today",
  goingOn: "Going on",
  happenedNow: "Happened",
  floor: "Calls now",
  hush: (rules, held) => `${rules} ${rules === 1 ? "rule" : "rules"} snoozed, ${held} alerts held back`,
  hushBefore: (n) => `${n} alerts held back by snoozes today`,
  hushLine: (what, queue, until, who) => `${what} · ${queue || "every queue"} · until ${until} (${who})`,
  hushMore: (n) => `${n} more`,
  recent: "Recent alerts",
  moreAlerts: (n, live, parts) => `${n} more alerts (${live ? `${live} going on` : "all happened"}): ${parts}`,
  moreCalls: (n) => `${n} more`,
  noCalls: "No calls at the moment",
  quiet: "No open alerts",
  lastEvent: (t) => `Last call event at ${t}`,
  noEvent: "No call event today yet",
  unsure: "Alerts cannot be judged now",
  unsureMore: "The data is not current: no alert shown does not mean no problem",
  unheard: "No open alerts of the telephone",
  unheardMore: "Words cannot be judged now: no alert shown does not mean no problem",
  waiting: "Fetching alerts",
  waitingMore: "One moment",
  denied: "Not allowed",
  deniedWhy: "The access token is wrong, or the address has none.",
  deniedDo: [
    "Ask the administrator for the wall's full address (it ends in #token=…)",
    "Paste the full address into the address bar and press Enter",
    "A restarted server may have a new token: use the new address",
  ],
};

const KEY = "sansheng.language";
const BY_NAME = { zh, en };

function chosen() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (asked in BY_NAME) return asked;
  try {
    const kept = localStorage.getItem(KEY);
    return kept in BY_NAME ? kept : "zh";
  } catch {
    return "zh"; // storage may be switched off
  }
}

let name = chosen();

/** Of `{zh, en}` the one in the language in use. */
export const inLanguage = (both) => both[name];

/** The words of the language in use. */
export const words = () => inLanguage(BY_NAME);

/** Change to the other language and remember it. An address that asks for a language asks for the new one from now on. */
export function switchLanguage() {
  name = name === "zh" ? "en" : "zh";
  const address = new URL(location.href);
  if (address.searchParams.has("lang")) {
    address.searchParams.set("lang", name);
    history.replaceState(history.state, "", address);
  }
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // then it is not remembered
  }
}

/** `75` -> `01:15`, `3675` -> `1:01:15`; never negative. */
export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const MINUTE = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DATE = { year: "numeric", month: "long", day: "numeric", weekday: "long" };
const formats = new Map();

function format(at, zone, options, locale) {
  const key = `${Object.keys(options)} ${zone} ${locale}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, { ...options, timeZone: zone }));
  return formats.get(key).format(at * 1000);
}

/** Time of day of Unix seconds in the hotline's timezone, `13:05:09`. */
export const timeOfDay = (at, zone) => format(at, zone, TIME, "en-GB");

/** The same without seconds, `13:05`. */
export const minuteOf = (at, zone) => format(at, zone, MINUTE, "en-GB");

/** The date of Unix seconds, written out. */
export const dateOf = (at, zone) => format(at, zone, DATE, words().lang);
