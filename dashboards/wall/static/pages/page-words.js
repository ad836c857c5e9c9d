// Every word of the pages (an alert, a call, an agent's day, the rules), in Chinese and English.

import { inLanguage } from "../words.js";

const zh = {
  loading: "正在调取记录…",
  retry: "重新读取",
  copy: "复制链接",
  copied: "链接已复制",
  back: "返回告警列表",
  problem: {
    alert: ["找不到这条告警", "地址可能不完整，也可能这条告警的记录已过保存期限。"],
    call: ["找不到这通电话", "地址可能不完整，也可能这通电话的记录已过保存期限。"],
    agent: ["没有这位坐席的记录", "今天没有以这个工号登记的通话；以前的日子暂时查不到。"],
    get not_allowed() {
      return refused(zh);
    },
    unavailable: ["暂时读不到记录", "消息系统没有应答。告警和通话本身不受影响，请稍后重新读取。"],
    busy: ["同时调阅的人太多", "请过几秒再试。"],
    timeout: ["等待太久，没有读到", "服务没有在规定时间内答复，请重新读取。"],
    lost: ["连接已断开", "正在重新连接，连上后自动读取。"],
  },

  notYours: {
    title: "您不能查看这一页",
    agent: { alerts: "这是其他坐席的告警，您只能查看自己的。", calls: "这是其他坐席的通话，您只能查看自己的。",
      agents: "这是其他坐席的记录，您只能查看自己的。" },
    other: { alerts: "这条告警不在您负责的班组里。确有需要，请联系管理员开通。", calls: "这通电话不在您负责的班组里。确有需要，请联系管理员开通。",
      agents: "这位坐席不在您负责的班组里。确有需要，请联系管理员开通。" },
  },

  // an alert
  cleared: (t) => `${t} 解除`,
  lasted: (d) => `持续 ${d}`,
  ongoing: "仍在持续",
  raised: (severity, t) => `${t} 升级为${severity}`,
  clause: "依据的条款",
  clauseMore: (n) => `另见 ${n} 条`,
  why: "为什么告警",
  whyHint: "逐条核对规则的条件",
  whyNot: {
    record: "通话记录已不完整，无法逐条核对。", rulebook: "当时的规则版本已不在，无法逐条核对。",
    across: "这条规则统计多通电话，不能从一通电话里逐条核对。",
  },
  fires: "规则原意",
  knownAt: (t) => `到 ${t} 才能判定`,
  // what a condition asks, as the rulebook writes it
  asks: {
    words: "说到", utterance: "同一句话里有", anchor: "起算", heard: "听得到", unless: "例外", phase: "阶段", ended_by: "挂机方",
    answered: "已接通", direction: "方向", again_after: "距上次告警", moot: "已无须再说", steps: "步骤", trigger: "起因",
    said: "说过", silent: "无声", when: "前提", all: "同时满足", any: "满足其一", not: "不成立的是", condition: "其中", lasted: "已持续",
    first: "接听之初", cause: "结束原因", hours: "时间", days: "日期", queue: "队列", agent: "坐席", done: "已走完",
    pace: "语速", overlaps: "抢话", monologue: "不停地说话", silence: "静默", length: "时长",
    released_by: "可以免除", times: "次数", at_least: "至少", unanswered_for: "无人应答", within: "时限", after: "之后", before: "之前",
  },
  asked: {
    agent: "坐席", customer: "客户", both: "双方", system: "系统", held: "保持", ringing: "振铃", talking: "通话", offered: "排队",
    transferring: "转接", answered: "接通", ended: "结束", silent: "无声", silence: "静默",
    resumed: "恢复通话", transferred: "转接接通", said: "说过", either: "任一方", normal: "正常", above: "高于", below: "低于",
    inbound: "呼入", outbound: "呼出", any: "任一", all: "全部", none: "不含",
    by: "·", within: "在", True: "是", False: "否", s: "秒", notice: "提示", warning: "警告", critical: "严重",
  },
  step: { opened: "告警", raised: "升级", cleared: "解除" },
  answer: { yes: "是", no: "否", wait: "还不知道", never: "无从得知" },
  proof: "对话里的依据",
  noProof: "这条告警的依据不是某一句话，而是该说的没有说，或话务上的时间和动作。",
  noProofLines: "下面是告警前后的对话。",
  meant: (phrase) => `听起来像“${phrase}”`,
  heard: (phrase) => `告警时听到的是“${phrase}”`,
  aside: ["线下", "保持或转接期间的声音，可能是音乐或与同事的交谈，不计入规则"],
  whole: "展开整通对话",
  part: "只看相关部分",
  toCall: "打开这通电话",
  left: (n) => `略去 ${n} 句`,
  course: "通话经过",
  callGone: "这通电话的记录已过保存期限，只留下告警本身和当时的依据。",
  advice: "处理建议",
  earlier: (who) => (who ? `${who} 近 7 天同类告警` : "近 7 天同类告警"),
  noEarlier: "近 7 天没有同类告警，这是第一次。",
  earlierCount: (n) => `${n} 次`,
  history: "处理经过",
  noHistory: "还没有人处理。",
  rulebook: "规则版本",
  alsoCalls: "同时涉及的通话",

  // a call
  call: "通话",
  inbound: "呼入",
  outbound: "呼出",
  caller: "主叫",
  total: "全程",
  running: "进行中",
  endedBy: { customer: "客户挂机", agent: "坐席挂机", system: "系统释放" },
  alerts: "告警",
  noAlerts: "这通电话没有告警。",
  transcript: "对话文字",
  following: "实时更新中",
  notListened: "这通电话没有接入语音，没有对话文字；振铃、保持、转接等话务事件照常记录。",
  nothingYet: "已接入语音，还没有人说话。",
  nothingSaid: "整通电话没有听到有人说话。",
  newer: "有新的内容",
  role: { agent: "坐席", customer: "客户" },
  gap: (d, role) => `此处 ${d}没有听到${role === "agent" ? "坐席" : "客户"}一侧的声音`,
  speaking: "正在说",
  bySound: ["据音", "按读音写成的文字，个别字可能不是原字"],
  hidden: (kinds) => `已隐去${kinds}`,
  kind: {
    phone: "电话号码", id_card: "身份证号", bank_card: "银行卡号", plate: "车牌号", address: "住址", name: "姓名",
    number: "号码",
  },
  and: "、",
  toAlert: (title) => `查看告警：${title}`,
  event: {
    offered: "客户排队", ringing: "开始振铃", talking: "接通", resumed: "恢复通话", passedOn: "转接后接通", held: "客户进入保持",
    heldByCustomer: "客户按下保持", transferring: "开始转接", ended: "通话结束",
  },

  // the timeline
  timeline: "时间轴",
  rows: { alerts: "告警", phases: "阶段", customer: "客户", agent: "坐席" },
  timelineHint: "指向图上看细节，点击跳到当时的对话",
  timelineHintSilent: "指向图上看细节",
  timelineOf: (d, parts) => `全程 ${d}：${parts}`,
  speaks: { agent: "坐席在说话", customer: "客户在说话", both: "双方同时在说话", none: "没有人说话" },
  unheard: "没有听到",
  heldBy: { agent: "坐席按下保持", customer: "客户按下保持" },
  so: "至今",
  column: ["时间", "持续", "内容"],
  talkTotal: (role, d) => `${role}共说话 ${d}`,
  severalAlerts: (n) => `${n} 条告警`,

  // an agent's day
  today: "今天",
  calls: "接通电话",
  talkTime: "通话时长",
  meanTalk: "平均通话",
  holdTime: "保持时长",
  meanRing: "平均振铃",
  dayStrip: "一天的电话",
  dayStripOf: (n, from, to) => `${from} 至 ${to}，共 ${n} 通电话`,
  noCalls: "这一天没有电话。",
  callColumns: ["开始", "队列", "主叫", "振铃", "通话", "保持", "结束", "告警"],
  alertColumns: ["时间", "级别", "内容", "处理"],
  noAlertsToday: "这一天没有告警。",
  lineEnd: { customer: "客户挂机", agent: "坐席挂机", system: "系统释放", abandoned: "客户放弃" },

  // the rules
  rules: "规则准确率",
  eachRule: "各条规则",
  rulesHint: "近 7 天的告警，按人工判定统计：属实 ÷（属实＋误报）",
  ruleColumns: ["规则", "判定情况", "准确率", "属实", "误报", "待判定", "待答复申诉"],
  sort: { wrong: "误报多的在前", total: "告警多的在前", title: "按名称" },
  sortBy: "排序",
  precision: (share) => `${share}%`,
  noPrecision: "尚无判定",
  few: (n) => `仅 ${n} 次判定`,
  noRules: "近 7 天没有告警。",
  bar: (right, wrong, open) => `属实 ${right}，误报 ${wrong}，待判定 ${open}`,
  legend: { right: "属实", wrong: "误报", undecided: "待判定" },
  snoozes: "静音中的规则",
  noSnoozes: "没有静音的规则，所有告警都会上墙。",
  snoozeHint: "静音期间照常检测和记录，只是不上监控墙。",
  lift: "解除静音",
  everyQueue: "所有队列",
  until: (t, left) => `至 ${t}（还有 ${left}）`,
  by: (who, t) => `${who} 于 ${t} 设置`,
  heldBack: (n) => `已静音 ${n} 条`,
  duration: (h, m, s) =>
    [h && `${h} 小时`, m && (s ? `${m} 分` : `${m} 分钟`), s && `${s} 秒`].filter(Boolean).join(" ") || "0 秒",
};

const en = {
  loading: "Fetching the record…",
  retry: "Try again",
  copy: "Copy link",
  copied: "Link copied",
  back: "Back to the alerts",
  problem: {
    alert: ["No such alert", "The address may be incomplete, or the record of this alert is no longer kept."],
    call: ["No such call", "The address may be incomplete, or the record of this call is no longer kept."],
    agent: ["Nothing about this agent", "No call of today belongs to this number; earlier days cannot be looked up yet."],
    get not_allowed() {
      return refused(en);
    },
    unavailable: ["The record cannot be read now", "The message broker does not answer. Calls and alerts are not affected; try again soon."],
    busy: ["Too many pages are being read", "Try again in a few seconds."],
    timeout: ["It took too long", "The server did not answer in time; try again."],
    lost: ["The connection is lost", "Reconnecting; the page is read again by itself."],
  },

  notYours: {
    title: "You may not see this page",
    agent: { alerts: "This alert is a colleague's; you can see your own only.", calls: "This call is a colleague's; you can see your own only.",
      agents: "This is a colleague's day; you can see your own only." },
    other: { alerts: "This alert is not one of your team's. Ask the administrator if you need it.",
      calls: "This call is not one of your team's. Ask the administrator if you need it.",
      agents: "This agent is not in your team. Ask the administrator if you need it." },
  },

  cleared: (t) => `Cleared ${t}`,
  lasted: (d) => `lasted ${d}`,
  ongoing: "Still going on",
  raised: (severity, t) => `${severity} from ${t}`,
  clause: "Clause",
  clauseMore: (n) => `See also ${n} more`,
  why: "Why it fired",
  whyHint: "Each condition of the rule",
  whyNot: {
    record: "The call's record is not whole any more, so its conditions cannot be shown.",
    rulebook: "The rulebook of that time is gone, so its conditions cannot be shown.",
    across: "This rule counts over several calls, so one call does not show its conditions.",
  },
  fires: "What the rule says",
  knownAt: (t) => `Could be told at ${t}`,
  step: { opened: "Opened", raised: "Raised", cleared: "Cleared" },
  answer: { yes: "Yes", no: "No", wait: "Not known yet", never: "Cannot be known" },
  proof: "Evidence in the transcript",
  noProof: "No single sentence proves this alert: something was left unsaid, or the telephone itself shows it.",
  noProofLines: "Below is what was said around it.",
  meant: (phrase) => `Sounds like “${phrase}”`,
  heard: (phrase) => `“${phrase}” was heard when the alert came`,
  aside: ["Aside", "While on hold or in transfer: music, or talk with a colleague; no rule counts it"],
  whole: "Show the whole call",
  part: "Only what matters",
  toCall: "Open the call",
  left: (n) => `${n} lines left out`,
  course: "Course of the call",
  callGone: "The record of this call is no longer kept; only the alert and its evidence remain.",
  advice: "Advice",
  earlier: (who) => (who ? `The same with ${who}, last 7 days` : "The same, last 7 days"),
  noEarlier: "None in the last 7 days: this is the first.",
  earlierCount: (n) => `${n}×`,
  history: "What was done",
  noHistory: "Nobody has looked at it yet.",
  rulebook: "Rulebook",
  alsoCalls: "Other calls it is about",

  call: "Call",
  inbound: "Inbound",
  outbound: "Outbound",
  caller: "Caller",
  total: "In all",
  running: "In progress",
  endedBy: { customer: "Customer hung up", agent: "Agent hung up", system: "Released by the system" },
  alerts: "Alerts",
  noAlerts: "No alert in this call.",
  transcript: "Transcript",
  following: "Live",
  notListened: "This call was not listened to, so there is no transcript; ringing, holds and transfers are recorded all the same.",
  nothingYet: "Listening; nobody has spoken yet.",
  nothingSaid: "Nobody was heard in this call.",
  newer: "New lines",
  role: { agent: "Agent", customer: "Customer" },
  gap: (d, role) => `${d} of the ${role} were not heard here`,
  speaking: "speaking",
  bySound: ["By sound", "Written by sound: single characters may be others"],
  hidden: (kinds) => `Hidden: ${kinds}`,
  kind: {
    phone: "phone number", id_card: "identity number", bank_card: "bank card", plate: "number plate", address: "address",
    name: "name", number: "number",
  },
  and: ", ",
  toAlert: (title) => `Alert: ${title}`,
  event: {
    offered: "customer queued", ringing: "phone rings", talking: "connected", resumed: "conversation goes on", passedOn: "connected after the transfer",
    held: "customer on hold", heldByCustomer: "the customer put the call on hold", transferring: "transfer begins",
    ended: "call ended",
  },

  timeline: "Timeline",
  rows: { alerts: "Alerts", phases: "Phase", customer: "Customer", agent: "Agent" },
  timelineHint: "Point for details, click to see what was said then",
  timelineHintSilent: "Point for details",
  timelineOf: (d, parts) => `${d} in all: ${parts}`,
  speaks: { agent: "agent speaks", customer: "customer speaks", both: "both speak", none: "nobody speaks" },
  unheard: "not heard",
  heldBy: { agent: "held by the agent", customer: "held by the customer" },
  so: "so far",
  column: ["Time", "For", "What"],
  talkTotal: (role, d) => `${role} spoke ${d} in all`,
  severalAlerts: (n) => `${n} alerts`,

  today: "Today",
  calls: "Calls taken",
  talkTime: "Talking",
  meanTalk: "Mean talk",
  holdTime: "On hold",
  meanRing: "Mean ring",
  dayStrip: "Calls of the day",
  dayStripOf: (n, from, to) => `${from} to ${to}, ${n} calls`,
  noCalls: "No calls that day.",
  callColumns: ["Began", "Queue", "Caller", "Ring", "Talk", "Hold", "End", "Alerts"],
  alertColumns: ["Time", "Severity", "What", "Finding"],
  noAlertsToday: "No alerts that day.",
  lineEnd: { customer: "Customer", agent: "Agent", system: "System", abandoned: "Abandoned" },

  rules: "How right the rules are",
  eachRule: "Each rule",
  rulesHint: "Alerts of the last 7 days by what people found: confirmed ÷ (confirmed + false)",
  ruleColumns: ["Rule", "Findings", "Precision", "Confirmed", "False", "Open", "Appeals waiting"],
  sort: { wrong: "Most false first", total: "Most alerts first", title: "By name" },
  sortBy: "Order",
  precision: (share) => `${share}%`,
  noPrecision: "None judged",
  few: (n) => `Only ${n} judged`,
  noRules: "No alerts in the last 7 days.",
  bar: (right, wrong, open) => `${right} confirmed, ${wrong} false, ${open} open`,
  legend: { right: "Confirmed", wrong: "False", undecided: "Open" },
  snoozes: "Snoozed rules",
  noSnoozes: "No rule is snoozed: every alert reaches the wall.",
  snoozeHint: "Snoozed rules are still judged and recorded, only kept off the wall.",
  lift: "Lift",
  everyQueue: "Every queue",
  until: (t, left) => `Until ${t} (${left} left)`,
  by: (who, t) => `${who}, at ${t}`,
  heldBack: (n) => `${n} snoozed`,
  duration: (h, m, s) => [h && `${h} h`, m && `${m} min`, s && `${s} s`].filter(Boolean).join(" ") || "0 s",
};

let role = "";

/** Say who reads: why a page is refused depends on it. */
export function readBy(user) {
  role = user?.role ?? "";
}

/** Title and reason of a refused page: an agent has the own ones, everybody else those of the teams. */
function refused({ notYours }) {
  const [, page] = location.pathname.split("/");
  const reasons = role === "agent" ? notYours.agent : notYours.other;
  return [notYours.title, reasons[page] ?? reasons.calls];
}

/** The words of the language in use. */
export const pageWords = () => inLanguage({ zh, en });

/** `90` -> `1 分 30 秒`; under ten seconds with one decimal where there is one. */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 9.95 && Math.abs(s - Math.round(s)) >= 0.05) return pageWords().duration(0, 0, s.toFixed(1));
  const whole = Math.round(s);
  return pageWords().duration(Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60);
}
