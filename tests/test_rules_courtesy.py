"""The many ways in which agents say what they must: a set that misses one of them blames somebody unjustly."""

from __future__ import annotations

import pytest

from streams.phrases.match import Matcher
from streams.rulebook.book import load

BOOK = load()

#: Phrase sets that a sentence must contain, all of them.
SAYS = {
    # 开场白(手册的√句和常见变体)
    "您好,这里是客户服务中心,工号八零二六为您服务,请问有什么可以帮您": [
        "greeting",
        "offer-help",
        "company",
        "staff-number",
    ],
    "您好,请问有什么可以帮您": ["greeting", "offer-help"],
    "您好,我叫李明,请问有什么可以帮到您": ["greeting", "offer-help", "staff-number"],
    "您好,八零二六号很高兴为您服务": ["greeting", "offer-help", "staff-number"],
    "您好,移动客服8026,很高兴为您服务": ["greeting", "offer-help", "company"],
    "早上好,客服中心欢迎您的来电,请问有什么可以帮您": ["greeting", "offer-help", "company", "morning-greeting"],
    "新年好,客服中心,请问有什么可帮您": ["greeting", "offer-help", "holiday-greeting"],
    "劳动节快乐,请问有什么可以帮您": ["greeting", "offer-help", "holiday-greeting"],
    "中秋节快乐,请问有什么可以帮您": ["greeting", "offer-help", "holiday-greeting"],
    "国庆节快乐,请问有什么可以帮您": ["greeting", "offer-help", "holiday-greeting"],
    "节日好,您好,能帮您做点什么": ["greeting", "offer-help", "holiday-greeting"],
    "您好,非常荣幸为您服务,您需要什么帮助": ["greeting", "offer-help"],
    "下午好,请问您需要咨询什么业务": ["greeting", "offer-help"],
    # 外呼
    "您好,请问是王先生吗?我姓李,是移动客服中心打来的": ["greeting", "company", "staff-number", "asks-for-whom"],
    "您好,我是银行客服中心8026号客服代表,请问您是张女士本人吗": [
        "greeting",
        "company",
        "staff-number",
        "asks-for-whom",
    ],
    # 结束语
    "请问还有什么可以帮您": ["ask-for-more"],
    "请问还有什么能帮到您": ["ask-for-more"],
    "请问我还有什么可以帮您": ["ask-for-more"],
    "还有其他可以帮您的吗": ["ask-for-more"],
    "请问还有其它可以帮您的吗": ["ask-for-more"],
    "您还有别的问题吗": ["ask-for-more"],
    "您还需要办理其他业务吗": ["ask-for-more"],
    "如果没有其他问题,感谢您的来电,祝您生活愉快": ["ask-for-more", "thanks-for-calling", "farewell"],
    "感谢您的来电,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "谢谢合作,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "不客气,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "如有其它问题,欢迎再次来电,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "欢迎您随时联系我们,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "感谢您的建议,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "感谢您的支持与配合,祝您生活愉快,再见": ["thanks-for-calling", "farewell", "signing-off"],
    "欢迎下次光临": ["thanks-for-calling"],
    "请您稍后对本次服务进行评价": ["offer-rating"],
    # 安抚
    "非常理解您的感受,我会尽力帮您解决": ["soothing", "promise-to-handle"],
    "我非常理解您的着急": ["soothing"],
    "遇到这种情况换作我也会着急": ["soothing"],
    "给您带来的不便我们深表歉意": ["soothing"],
    "给您带来不便,非常抱歉": ["soothing"],
    "很抱歉,我理解您的心情": ["soothing"],
    "您的心情我非常理解的": ["soothing"],
    "我能体会您的心情": ["soothing"],
    "您先别着急,慢慢说": ["soothing"],
    "您消消气": ["soothing"],
    "我知道您很着急,我们一定尽快为您解决": ["soothing", "promise-to-handle"],
    "我向您道歉": ["soothing"],
    # 复述
    "刚才您提到的问题,我们会在两个工作日内通过电话给您反馈,您看可以吗": ["read-back"],
    "已经为您修改成功,下个月生效": ["read-back"],
    "跟您确认一下,您要改成八十八元的套餐": ["read-back"],
    "您的问题我已经记录下来,稍候会由专业人员给您答复": ["read-back"],
    "那我给您报修吧,师傅会联系您": ["read-back"],
    "我们今天之内给您答复,您看可以吗": ["read-back"],
    # 工号
    "我的工号是八零二六": ["staff-number"],
    "八零二六": ["gives-number"],
    "公司规定只能报工号": ["gives-number"],
    "免贵姓王": ["staff-number"],
    # 客户问工号
    "你工号多少": ["asks-staff-number"],
    "你叫什么名字,我要投诉你": ["asks-staff-number"],
    "把你的工号报一下": ["asks-staff-number"],
    "您贵姓": ["asks-staff-number"],
    "你是几号客服": ["asks-staff-number"],
    # 劝阻辱骂
    "但请您使用文明语言,否则很抱歉,我们将结束这次通话": ["ask-for-civility"],
    "请您尊重本次对话": ["ask-for-respect"],
    "我请示一下值班长": ["supervisor-consent"],
    "感谢您的使用,再见": ["supervisor-consent"],
}
#: Phrase sets that a sentence must not be taken for.
DOES_NOT_SAY = {
    "你好像没有听懂": ["greeting"],
    "这是公司规定,请您理解": ["soothing"],
    "希望您能理解": ["soothing"],
    "感谢您的理解": ["soothing"],
    "您还有问题吗": ["ask-for-more"],
    "我是说您的宽带": ["staff-number"],
    "这个月一共八十六块": ["staff-number", "gives-number"],
    "我的工号是多少在哪里看": ["asks-staff-number"],
    "我想问一下宽带怎么办理": ["service-request"],
    "没打错": ["wrong-number"],
}


@pytest.mark.parametrize(("text", "sets"), SAYS.items())
def test_a_sentence_counts_for_what_it_says(text: str, sets: list[str]):
    assert set(sets) <= {found.name for found in BOOK.find(text)} | _of_drafts(text)


@pytest.mark.parametrize(("text", "sets"), DOES_NOT_SAY.items())
def test_a_look_alike_does_not_count(text: str, sets: list[str]):
    assert set(sets).isdisjoint({found.name for found in BOOK.find(text)} | _of_drafts(text))


def _of_drafts(text: str) -> set[str]:
    """What is found of the sets that only drafts use, which the book does not listen for."""
    sets = {name: BOOK.phrases[name] for name in ("morning-greeting", "offer-rating")}
    return {found.name for found in Matcher(sets).find(text)}
