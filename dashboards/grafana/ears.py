"""The ears, for whoever keeps the recogniser running: does it keep up, does it hear, what did it miss.

Each recogniser hears partitions of its own, so legs and words are summed over instances; delay and load take the worst.
"""

from __future__ import annotations

from dashboards.grafana import names
from dashboards.grafana.panels import (
    CPU,
    GREEN,
    ORANGE,
    RED,
    Board,
    Panel,
    Query,
    Row,
    Text,
    age,
    greatest,
    most,
    of,
    percentiles,
    rate,
    stepwise,
    total,
)

#: Sound older than `ears.behind_s` (20 s) is skipped; rules about words wait 5 s.
_BEHIND = ((None, GREEN), (5, ORANGE), (20, RED))
_AGE = ((None, GREEN), (30, ORANGE), (120, RED))
_SILENT = f"1 - {rate('sansheng_ears_speech_seconds_total')} / ({rate('sansheng_ears_heard_seconds_total')} > 0)"

_NOW = Row(
    Text("此刻", "Now"),
    (
        Panel(
            "stat",
            Text("正在听的声道", "Channels being heard"),
            Text("客户和坐席各算一路。", "Customer and agent count as one each."),
            "short",
            (Query(total(of("sansheng_ears_legs")), Text("声道", "Channels")),),
            width=4,
            height=5,
            decimals=0,
            link="/",
        ),
        Panel(
            "stat",
            Text("听到的声音有多旧", "Age of the sound heard now"),
            Text(
                "语音识别此刻处理的声音是多久以前的,取最慢的进程。超过 5 秒,与说话有关的告警会迟到;"
                "超过 20 秒,开始跳过声音。",
                "At the slowest recogniser. Above 5 s alerts about words are late; above 20 s sound is skipped.",
            ),
            "s",
            (Query(f"max({of('sansheng_ears_lag_seconds')})", Text("落后", "Behind")),),
            width=4,
            height=5,
            limits=_BEHIND,
            decimals=1,
        ),
        Panel(
            "stat",
            Text("负荷", "Load"),
            Text(
                "最忙的语音识别进程用掉一个核的多少。接近 100% 要加进程(ears.workers)。",
                "Share of one core at the busiest recogniser. Near 100 %: more of them (ears.workers).",
            ),
            "percentunit",
            (Query(f"max({of('sansheng_ears_cpu_share')})", Text("负荷", "Load")),),
            width=4,
            height=5,
            limits=CPU,
            decimals=0,
        ),
        Panel(
            "stat",
            Text("每秒字词", "Words a second"),
            Text(
                "识别出的完整句子里的字词。有人在说话而一直是 0,说明没有听到。",
                "Words of finished sentences. None while people talk: nothing is heard.",
            ),
            "wps",
            (Query(rate("sansheng_ears_words_total"), Text("字词", "Words")),),
            width=4,
            height=5,
            decimals=1,
        ),
        Panel(
            "stat",
            Text("静默占比", "Silence"),
            Text(
                "听到的声音里没有人说话的部分。两路分开算,50% 到 70% 属正常;接近 100% 多半是声音没有接好。",
                "Share of the sound in which nobody speaks. Each channel by itself: 50 to 70 % is usual; near 100 % "
                "the sound is probably not connected well.",
            ),
            "percentunit",
            (Query(_SILENT, Text("静默", "Silence")),),
            width=4,
            height=5,
            most=1,
            decimals=0,
        ),
        Panel(
            "stat",
            Text("最近一次提交", "Last commit"),
            Text(
                "语音识别最近一次提交读取位置离现在多久,取最久的。没有通话时会变大。",
                "How long ago offsets were committed, at the worst recogniser. It grows while there are no calls.",
            ),
            "s",
            (Query(f"max({age('sansheng_ears_last_commit_timestamp_seconds', 'instance')})", Text("提交", "Commit")),),
            width=4,
            height=5,
            limits=_AGE,
            decimals=0,
        ),
    ),
)

_PACE = Row(
    Text("跟得上吗", "Does it keep up"),
    (
        Panel(
            "lines",
            Text("从声音到文字", "From sound to words"),
            Text(
                "从声音写入消息系统到由它得出的内容送出。不含等一句话说完的时间。",
                "From a frame's broker time to when what it brought about was sent.",
            ),
            "s",
            percentiles("sansheng_ears_delay_seconds"),
            limits=_BEHIND,
        ),
        Panel(
            "lines",
            Text("落后", "Behind"),
            Text("每个语音识别进程此刻处理的声音有多旧。", "Age of the sound that is heard now, by recogniser."),
            "s",
            (Query(greatest("sansheng_ears_lag_seconds", "instance"), "{{site}} {{instance}}"),),
            limits=_BEHIND,
        ),
        Panel(
            "lines",
            Text("负荷", "Load"),
            Text("每个语音识别进程用掉一个核的多少。", "Share of one core, by recogniser."),
            "percentunit",
            (Query(greatest("sansheng_ears_cpu_share", "instance"), "{{site}} {{instance}}"),),
            limits=CPU,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("等待听的声音,按分区", "Sound that waits, by partition"),
            Text(
                "消息系统中还没有听的声音帧。只画最多的 12 个分区。",
                "Frames that wait in Kafka. The twelve partitions with most.",
            ),
            "short",
            (
                Query(
                    most(12, greatest("sansheng_lag_messages", "topic", "partition", process="recognise")),
                    "{{site}} {{topic}} {{partition}}",
                ),
            ),
            width=12,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("声道", "Channels"),
            Text(
                "正在听的声道,以及每秒听完的声音(秒)。后者低于前者就是没有跟上。",
                "Channels being heard, and seconds of sound taken a second. Below the first: behind.",
            ),
            "short",
            (
                Query(total(of("sansheng_ears_legs")), Text("正在听", "Being heard")),
                Query(rate("sansheng_ears_heard_seconds_total"), Text("每秒听完(秒)", "Seconds a second")),
            ),
            width=12,
        ),
    ),
)

_HEARS = Row(
    Text("听到了什么", "What it hears"),
    (
        Panel(
            "lines",
            Text("字词", "Words"),
            Text("每秒识别出的字词,按进程。", "Of finished sentences, by recogniser."),
            "wps",
            (Query(rate("sansheng_ears_words_total", "site", "instance"), "{{site}} {{instance}}"),),
            stacked=True,
        ),
        Panel(
            "lines",
            Text("静默占比", "Silence"),
            Text("听到的声音里没有人说话的部分。", "Share of the sound in which nobody speaks."),
            "percentunit",
            (Query(_SILENT, Text("静默", "Silence")),),
            most=1,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("转写与抢先发现的词语", "Transcripts, and phrases told early"),
            Text(
                "每秒送出的转写,按类型;以及句子没说完就发现的规则词语。",
                "A second, by type; and phrases of rules that were told while they were spoken.",
            ),
            "cps",
            (
                Query(rate("sansheng_ears_transcripts_total", "type"), "{{type}}"),
                Query(rate("sansheng_ears_spotted_total"), Text("抢先发现", "Spotted")),
            ),
            names=names.TRANSCRIPTS,
        ),
    ),
)

_MISSED = Row(
    Text("没有听到的", "What it missed"),
    (
        Panel(
            "bars",
            Text("没有听到的时间", "Time not heard"),
            Text(
                "没有听到的声音有多长,按原因。这些时间里与说话有关的规则不判定。",
                "By reason. Rules about words are not judged there.",
            ),
            "s",
            (Query(stepwise("sansheng_ears_gap_seconds_total", "reason"), "{{reason}}"),),
            names=names.GAPS,
            stacked=True,
        ),
        Panel(
            "bars",
            Text("没有听到的段数", "Stretches not heard"),
            Text("没有听到的段数,按原因。", "How many, by reason."),
            "short",
            (Query(stepwise("sansheng_ears_gaps_total", "reason"), "{{reason}}"),),
            names=names.GAPS,
            stacked=True,
            decimals=0,
        ),
        Panel(
            "bars",
            Text("识别出错", "Faults"),
            Text(
                "出错并被替换的识别器,以及语音识别读不了的消息。",
                "Ears that failed and were replaced, and messages that the recogniser could not read.",
            ),
            "short",
            (
                Query(stepwise("sansheng_ears_faults_total"), Text("识别器出错", "Ears failed")),
                Query(
                    stepwise("sansheng_dead_letters_total", process="recognise"), Text("读不了的消息", "Dead letters")
                ),
            ),
            decimals=0,
        ),
    ),
)

_SOURCES = Row(
    Text("声音从哪里来", "Where sound comes from"),
    (
        Panel(
            "lines",
            Text("接入的声音来源", "Sources connected"),
            Text("此刻连接着的声音来源,按协议。", "By protocol."),
            "short",
            (Query(total(of("sansheng_listen_connections"), "source"), "{{source}}"),),
            width=6,
            stacked=True,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("接入的声音", "Sound published"),
            Text(
                "每秒接入的声音(秒),以及来源没有送来、用静音补上的部分。",
                "Seconds of sound a second, and the silence put in place of what was not sent.",
            ),
            "short",
            (
                Query(rate("sansheng_listen_audio_seconds_total", "source"), "{{source}}"),
                Query(rate("sansheng_listen_silence_seconds_total"), Text("补上的静音", "Silence put in")),
            ),
            width=6,
        ),
        Panel(
            "bars",
            Text("来源的问题", "What was wrong with sources"),
            Text(
                "来源的问题,按来源和原因(docs/audio.md);以及让送得太快的来源等待的秒数。",
                "By source and reason (docs/audio.md); and the seconds that fast senders were made to wait.",
            ),
            "short",
            (
                Query(most(10, stepwise("sansheng_listen_faults_total", "source", "reason")), "{{source}} {{reason}}"),
                Query(stepwise("sansheng_listen_slowed_seconds_total"), Text("让来源等待(秒)", "Made to wait, s")),
            ),
            width=6,
            stacked=True,
        ),
        Panel(
            "stat",
            Text("读得到来电记录", "Reads the calls"),
            Text(
                "语音接入能否读到来电记录;读不到就不知道声音是谁的。",
                "Whether the gateway can read `calls`, where it is told whose sound it is.",
            ),
            "none",
            (Query(f"min({of('sansheng_listen_reads_calls')})", Text("来电记录", "Calls")),),
            width=6,
            words=names.YES_NO,
        ),
    ),
)


def board(*, english: bool) -> Board:
    """The dashboard; ``english``: the titles of rules in its annotations."""
    return Board(
        uid="sansheng-ears",
        title=Text("三声 · 语音识别", "Sansheng · Ears"),
        says=Text(
            "给系统管理员:语音识别跟得上吗,听到了什么,漏了什么。",
            "For operators: does the recogniser keep up, what does it hear, what did it miss.",
        ),
        rows=(_NOW, _PACE, _HEARS, _MISSED, _SOURCES),
        marks=(
            names.prometheus_alerts(),
            names.deployments(),
            names.rulebooks(),
            names.critical_alerts(english=english),
        ),
        since="now-1h",
    )
