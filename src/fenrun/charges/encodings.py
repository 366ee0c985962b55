"""The encoding of a text: told by its bytes where they leave no doubt, else asked for.

Texts of Korean, Japanese, Cyrillic, Greek, Thai and traditional Chinese mostly are bytes of GB18030
too, and say other words in it. So it is taken only where the words are likely to be Chinese: nearly
all of them characters of GB 2312, none of other scripts, and as many of them common ones as only
right words have.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from fenrun.base.problem import Place, refused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""The marks at the beginning of a text by which its encoding is told; the longer ones first."""
_LIKELY = 0.9
"""The part of characters beyond ASCII that GB 2312 has, where a text is GB18030."""
_COMMON_PART, _COMMON_LEAST = 0.4, 2
"""The part of its Chinese characters that are common there, and how many different ones."""
_SHOWN = 40
_COMMON = frozenset(
    "的一是在有和不了人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所"
    "公司有限责任股份集团科技技术信息网络数据服务云计算存储安全智能软件系统平台应用开发中心总部分支机构企业商贸易投资金融银行保险"
    "实例弹性块盘磁内外部快照镜像负载均衡带宽流量请求次数小时按量包月包年付费预留节省计划抵扣券代金退款调账单明细账期月份费用折扣"
    "优惠原价现价单价数规格地域可用区资源名称编号标签订购买续变更配置升降类型项目产品消费时间开始结束使用者帐户账号主子付款币种人民"
    "元税率含未已北京上海广州深圳杭成都重庆南武汉西安天津苏无锡宁波青岛厦门香港台湾华东部新加坡美日韩德英法印尼东江河山川省市县区镇"
    "龙云阿里腾讯为百度京字节跳火山金山七牛优刻得浪潮移动联通电信通讯讯飞网易新浪搜狐携程美团滴滴小米"
    "甲乙丙丁戊一二三四五六七八九十百千万亿第年月日号测试示例客户伙伴渠道代理经销商销售合作返佣返利分润归属任务目标季度完达"
    "文件表行列空值是否有无全部其他合计小计总额金额数字代码说明备注描述状态正常异常"
    "物流制造医疗健康教育文化传媒游戏娱乐旅游食品餐饮汽车能源环保建筑设计咨询广告电子商务零售贸器械材料生物药业农林牧渔房产置"
)
"""Characters that names of companies, places, products and columns of a bill are made of."""


def encoding_of(path: Path, head: bytes, odd: bytes, given: str = "") -> tuple[str, str]:
    """Return the encoding of a text, and words by which it is guessed; that is `given`, or told.

    `odd` are lines beyond ASCII. Raises Refused where it is not certain.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, ""
    if given:
        return codecs.lookup(given).name, ""
    zeros = [head[place:2000:2].count(0) for place in (0, 1)]
    most = len(head[:2000]) // 2
    for place, encoding in enumerate(("utf-16-be", "utf-16-le")):
        if zeros[place] > 0.8 * most and zeros[1 - place] < 0.2 * most:
            return encoding, ""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(odd)
        return "utf-8", ""
    except UnicodeDecodeError:
        return _guessed(path, odd)


def is_encoding(name: str) -> bool:
    """Return whether a name is that of an encoding of texts."""
    try:
        return "a".encode(name).decode(name) == "a"
    except (LookupError, ValueError, TypeError):
        return False


def _guessed(path: Path, odd: bytes) -> tuple[str, str]:
    """Return the encoding of a text that is not UTF-8. Raises Refused where it is not certain."""
    row, line = next((n, one) for n, one in enumerate(odd.split(b"\n"), 1) if not one.isascii())
    latin = _words(line.decode("cp1252", "replace"))
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(odd)
    except UnicodeDecodeError:
        raise refused("file-encoding", Place(path.name, row)) from None
    words = _words(line.decode("gb18030", "replace"))
    if not _is_chinese(text):
        values = {"line": row, "first": words, "second": latin}
        raise refused("encoding-unclear", Place(path.name, row), **values)
    return "gb18030", words


def _is_chinese(text: str) -> bool:
    """Return whether a text says what Chinese texts say, rather than bytes of another encoding."""
    beyond = re.findall(r"[^\x00-\x7f]", text)
    rows = [_row(character) for character in beyond]
    chinese = [c for c, row in zip(beyond, rows) if row >= _FIRST_CHINESE]
    marks = sum(row in _MARKS_OF_CHINESE for row in rows)
    if len(chinese) + marks < _LIKELY * len(beyond):
        return False
    common = [character for character in chinese if character in _COMMON]
    return len(common) >= _COMMON_PART * len(chinese) and len({*common}) >= _COMMON_LEAST


_FIRST_CHINESE = 0xB0
"""The first row of Chinese characters of GB 2312; before it are marks and other scripts."""
_MARKS_OF_CHINESE = (0xA1, 0xA3)
"""The rows of punctuation and of wide letters."""


def _row(character: str) -> int:
    """Return the row of GB 2312 that has a character; 0 where none does."""
    try:
        return character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return 0


def _words(text: str) -> str:
    """Return the first words beyond ASCII of a line."""
    found = re.search(r"\w*[^\x00-\x7f]+\w*", text)
    return found[0][:_SHOWN] if found else text[:_SHOWN]
