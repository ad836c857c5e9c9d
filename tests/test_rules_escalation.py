"""What customers really say: each sentence, said in a normal call, sets off exactly its rules of the chapter.

The timelines prove when; here is the width of the phrase sets, and the harmless look-alikes of all of them.
"""

from __future__ import annotations

import pytest

from streams.events import AnyEvent, CallAnswered, CallEnded, CallOffered, Role, Transcript
from streams.replay import Driver
from streams.rulebook.book import load

BOOK = load()
T0 = 1_795_312_800.0
RULES = {"wants-superior", "regulator", "media", "legal", "complaint", "abuse", "leaving", "major-incident"}

SAID: dict[str, tuple[str, ...]] = {
    "wants-superior": (
        "我不要听道歉，叫你们领导来接电话",
        "叫你们经理来",
        "让你们领导跟我说",
        "我要见你们负责人",
        "把电话给你们主管",
        "你们值班经理在不在",
        "给我转值班经理",
        "我要找领导",
        "换个能做主的来",
        "跟你说没用，找个说了算的人来",
        "让你们王经理给我回电话",
        "叫你们上级领导接电话",
        "麻烦转一下你们班长",
        "你们领导电话是多少",
        "请你们经理出来",
        "我要投诉到你们总公司",
        "有没有能管事的",
        "给我找你们老板",
        "我只跟你们领导谈，叫他接电话",
        "你们主管呢",
        "让你们值班经理来接电话",
        "我要跟你们领导说",
    ),
    "regulator": (
        "我打12315了",
        "我要向消协投诉",
        "我去工信部告你们",
        "我已经向银保监会反映了",
        "我要打市长热线",
        "我到工商局去投诉你们",
        "我打12345投诉",
        "你们等着，三一五见",
        "我要找三一五",
        "12300我也会打的",
        "我要到人民银行举报你们",
        "我要投诉到通信管理局",
        "去消费者协会告你们",
        "信不信我打12381",
        "我要告到上面去",
        "上三一五晚会",
        "我找你们上级主管部门投诉",
        "我向消费者协会反映过了",
        "我去市场监督管理局举报你们",
    ),
    "media": (
        "我要上网曝光你们",
        "我发抖音让大家看看",
        "我要发到小红书上",
        "我有记者朋友，找记者来采访你们",
        "我把这件事发朋友圈",
        "我要找电视台",
        "我去黑猫投诉你们",
        "让你们上热搜",
        "我在微博上曝光你们",
        "我就在网上骂你们",
        "我把通话录音放到网上",
        "我联系报社",
        "我给电视台打电话",
        "我要把你们发到网上",
        "我要找新闻媒体",
        "叫记者来",
    ),
    "legal": (
        "我要起诉你们",
        "咱们法院见",
        "我要告你们",
        "我请律师",
        "我会走法律程序",
        "我要打官司",
        "再这样我报警了",
        "我要去法院告你们",
        "追究你们的法律责任",
        "我的律师会联系你们",
        "我打110了",
        "我要去派出所告你们",
        "我要走法律途径",
    ),
    "complaint": (
        "你这是什么态度，我要投诉你",
        "我要投诉",
        "投诉你们",
        "怎么投诉你们",
        "你们的投诉电话是多少",
        "你什么态度",
        "态度太恶劣了",
        "必须给我一个说法",
        "你们这是乱收费",
        "你们太坑人了",
        "我投诉了三次了都没人管",
        "我昨天投诉的事情怎么样了",
        "我对你们的处理很不满意",
        "给你打差评",
        "帮我转投诉部门",
        "你们就是骗人的",
        "什么破网络",
        "我是不是要投诉你们才给解决",
        "我就要投诉",
        "我要打电话投诉",
        "你们这叫什么服务",
        "服务态度太差",
    ),
    "abuse": (
        "你他妈的到底管不管",
        "神经病啊你",
        "滚",
        "你给我滚",
        "你是不是有病",
        "去你妈的",
        "王八蛋",
        "你脑子进水了吧",
        "闭嘴",
        "少废话",
        "你是猪吗",
        "你们就是垃圾",
        "你是不是精神病",
        "滚蛋",
        "废物",
    ),
    "leaving": (
        "我去工信部网站查一下携号转网",
        "我要销户",
        "我想换一家",
        "帮我携号转网",
        "我不用你们的了",
        "我要转到移动",
        "我要退宽带",
        "帮我把这个套餐退订了",
        "我要把钱全部取出来",
        "不续费了",
    ),
}

#: Two matters in one sentence: both are told; of a complaint and something graver, only what is graver.
BOTH: dict[str, set[str]] = {
    "再不解决我就打幺二三一五，还要找媒体曝光你们": {"regulator", "media"},
    "你这个混蛋，我要投诉你": {"abuse", "complaint"},
    "什么破服务，我要销户": {"leaving", "complaint"},
    "我现在就到工信部网站投诉你们": {"regulator"},
    "我要投诉你，叫你们领导来接电话": {"wants-superior"},
    "我要投诉你们，还要去法院起诉你们": {"legal"},
    "我要投诉你们，找媒体曝光你们": {"media"},
    "我要去三一五曝光你们": {"regulator"},
}

HARMLESS = (
    "我先生是销售经理，他的手机没有办法收到验证码",
    "对，我不知道怎么办，账单是三百一十五块",
    "上次投诉已经解决了谢谢",
    "我不是来投诉的，我就问问",
    "我没有要投诉你们的意思",
    "我又没投诉你",
    "我不想投诉，帮我解决就行",
    "投诉建议电话是多少",
    "我要投诉一个骚扰电话",
    "没人投诉你，别紧张",
    "谁要投诉你们了",
    "我的号码是13812315888",
    "我的验证码是12345",
    "密码我设的是幺二三四五六",
    "我坐三一五路公交到你们营业厅",
    "打315块钱到我卡上",
    "这个月扣了我315元",
    "我儿子在工信部上班",
    "我要去工商局办营业执照",
    "我去人民银行查征信",
    "我从工信部网站查到我名下有五个号",
    "我跟你们说说情况",
    "我和你们经理说好了的套餐价格",
    "请问你们是12345吗",
    "我在电视台上班想办个宽带",
    "我家收不到中央电视台了",
    "我是报社的记者，想办个套餐",
    "我发抖音发不出去",
    "视频上传到抖音特别慢",
    "发到网上营业厅的那个表在哪",
    "我的个人信息被曝光了吗",
    "我收到短信说要起诉我，是真的吗",
    "我收到一个律师函短信",
    "我的卡被盗刷了已经报警了",
    "我被骗了需要报警吗",
    "手机丢了我昨天去派出所报警了",
    "我告诉你我的号码",
    "我要告诉你们一个情况",
    "帮我查一下律师事务所的电话",
    "我妈的手机号要过户",
    "他妈的手机号欠费了",
    "她奶奶的套餐怎么退",
    "屏幕一直滚动显示",
    "你们垃圾短信太多了",
    "我操作了好几遍都不行",
    "是不是人工服务",
    "不是人工吗",
    "我就靠你们了",
    "这不干你们的事",
    "我脑子有问题记不住密码",
    "我想从联通携号转网到你们这来",
    "我不想销户，就想问一下",
    "我的号被销户了吗",
    "我想退订这些垃圾短信",
    "我想把宽带换到新的地址",
    "我们经理让我来办发票",
    "我要找我的客户经理",
    "让客户经理给我回个电话",
    "让我领导跟你说",
    "你们王经理给我办的套餐挺好的",
    "谢谢你们领导",
    "不用找你们领导了，我等你处理",
    "上次找过你们主管，已经给我解决了",
    "我让你们帮我把号码转给我们经理",
    "你们的服务不差",
    "没有觉得你们服务差",
    "这个是什么服务，为什么扣费",
    "你好，请问你们是什么服务热线",
    "信号很差，在服务区里太差了",
    "你好像没听懂",
    "我的宽带断了",
    "麻烦你让师傅早点来",
    "我上网看到你们有活动",
    "我朋友圈里有人说你们的套餐便宜",
    "请你转告你们师傅不用来了",
    "广告你们能不能少发点",
    "我想找网上营业厅的入口",
    "你们给我发的合同在网上能看到吗",
    "要不要报警啊你帮我看看",
    "我就想问问怎么注册抖音会员",
    "报警器坏了，费用是多少",
    "家里停电了宽带也用不了",
    "我要采购一批电话卡",
    "我的彩铃是摇滚",
    "你们小区怎么分垃圾",
    "我看到你们发到微博上的公告",
    "你们发在抖音上的活动还有吗",
    "我收到法院起诉书是怎么回事",
    "我弟弟是智障儿童可以办优惠吗",
    "他有精神病可以代办吗",
    "我把视频发朋友圈为什么别人看不了",
    "帮我转人工",
    "我要找人工客服",
    "换个人工接一下可以吗",
    "叫我老板来办可以吗",
    "让我们负责人来签字可以吗",
    "公司负责人变更怎么办理",
    "我妈的卡丢了",
    "孩子他妈的手机",
    "你大爷的手机号是他自己的名字吗",
    "我不会告你们的，你放心",
    "这事不用找媒体",
    "三百一十五号的那个单子",
    "我这个月流量三百一十五兆",
    "我买了三一五的车票",
    "我要转账到别的银行卡",
    "我想把套餐换成便宜一点的",
    "你能不能大声一点，听不太清楚",
    "听说有人投诉你们，是真的吗",
    "喂，你好，我想问一下我的话费",
    "我没有办法收到验证码",
    "你们的服务挺好的，谢谢你",
    "我领导让我来问一下发票怎么开",
    "我不是要投诉，我就是想咨询一下",
    "我在微博上看到你们的活动，想参加",
    "我儿子在法院工作，他的号码可以一起交费吗",
    "好的，我明白了，谢谢",
)

#: What an agent says of these matters is his work.
BY_THE_AGENT = (
    "您是说要叫我们领导来接电话，对吗",
    "您也可以拨打12315投诉",
    "投诉建议可以拨打我们的服务热线",
    "您被骗了的话要马上报警",
    "销户需要您本人到网点办理",
)


def alerts(text: str, role: Role = "customer") -> set[str]:
    """The rules of the chapter that this sentence sets off, between a greeting and the end."""
    driver = Driver(BOOK)
    greeting = "您好，客户服务中心，工号八零二六，请问有什么可以帮您"
    events: list[AnyEvent] = [
        CallOffered(call="c", at=T0, queue="hotline", direction="inbound"),
        CallAnswered(call="c", at=T0 + 3, agent="8026"),
        _words("agent", 3.5, 8, greeting),
        _words(role, 9, 13.5, text),
        CallEnded(call="c", at=T0 + 15, by="customer"),
    ]
    changes = [change for event in events for change in driver.feed(event)]
    return {c.rule for c in changes if c.rule in RULES and c.state == "opened"}


def _words(role: Role, start: float, end: float, text: str) -> Transcript:
    told = T0 + end + 0.4
    return Transcript(call="c", at=told, role=role, text=text, start=T0 + start, end=T0 + end, final=True, through=told)


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in SAID.items() for text in texts])
def test_each_way_to_say_it_sets_off_its_rule_and_no_other(rule: str, text: str):
    assert alerts(text) == {rule}


@pytest.mark.parametrize(("text", "rules"), BOTH.items())
def test_two_matters_in_one_sentence(text: str, rules: set[str]):
    assert alerts(text) == rules


@pytest.mark.parametrize("text", HARMLESS)
def test_look_alikes_set_off_nothing(text: str):
    assert alerts(text) == set()


@pytest.mark.parametrize("text", BY_THE_AGENT)
def test_the_same_words_of_an_agent_set_off_nothing(text: str):
    assert alerts(text, "agent") == set()
