"""Texts in encodings that look alike: taken where the bytes leave no doubt, else asked for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.charges.encodings import is_encoding
from fenrun.charges.preview import preview_charges
from fenrun.charges.read import stage_charges
from fenrun.charges.source import Said
from fenrun.settle.imports import Wanted, import_files
from fenrun.store.facts import Imported, Replaced, Store

_KNOWN = datetime(2025, 1, 1)
_HEAD = (
    "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "InvoiceIssuerName,ServiceName\n"
)
_ROW = (
    "1.00,1.00,1.00,1.00,A1,CNY,2024-09-01T00:00:00Z,2024-10-01T00:00:00Z,"
    "2024-09-02T00:00:00Z,2024-09-03T00:00:00Z,Usage,{issuer},{service}\n"
)
_OTHERS = [
    ("euc_kr", "서울 클라우드", "데이터베이스"),
    ("euc_kr", "한국전력공사", "클라우드 서버"),
    ("cp949", "네이버 클라우드 플랫폼", "저장소"),
    ("johab", "서울 클라우드", "데이터베이스"),
    ("big5", "中華電信股份有限公司", "資料庫服務"),
    ("big5", "國際", "雲端"),
    ("big5hkscs", "香港雲端", "伺服器"),
    ("shift_jis", "クラウド", "データベース"),
    ("shift_jis", "東京株式会社", "計算"),
    ("euc_jp", "東京リージョン", "データベース"),
    ("euc_jp", "株式会社", "東京計算機"),
    ("iso2022_jp", "東京", "計算"),
    ("koi8_r", "Яндекс Облако", "Москва вычисления"),
    ("koi8_u", "Київ Хмара", "Обчислення"),
    ("cp1251", "Облако", "Яндекс Облако"),
    ("cp866", "Облако", "Вычисления"),
    ("cp1250", "Žluťoučký kůň", "Úložiště"),
    ("cp1252", "Größe über", "Nébula"),
    ("cp1253", "Αθήνα νέφος", "Υπολογιστές"),
    ("cp1254", "İstanbul Bölgesi", "şirketi"),
    ("cp1255", "ענן ישראל", "מחשוב"),
    ("cp1256", "السحابة العربية", "خادم"),
    ("cp1257", "Debesų paslaugos", "Šiauliai žvaigždė"),
    ("cp1258", "Đám mây", "Compute"),
    ("cp874", "คลาวด์ไทย", "เซิร์ฟเวอร์"),
    ("mac_roman", "Nébula Größe", "Façade"),
]
_CHINESE = [
    ("阿里云计算有限公司", "弹性计算"),
    ("腾讯云", "云服务器"),
    ("北辰云", "对象存储"),
    ("深圳市某某科技有限公司", "带宽流量包"),
    ("华东一区", "按量付费"),
    ("金山云", "数据库"),
    ("百度智能云", "内容分发网络"),
]


def _written(path: Path, encoding: str, issuer: str, service: str) -> Path:
    path.write_bytes((_HEAD + _ROW.format(issuer=issuer, service=service)).encode(encoding))
    return path


@pytest.mark.parametrize(("encoding", "issuer", "service"), _OTHERS)
def test_what_only_looks_chinese_is_refused_and_read_as_is_said(
    encoding: str, issuer: str, service: str, tmp_path: Path
) -> None:
    path = _written(tmp_path / "charges.csv", encoding, issuer, service)
    store = Store(tmp_path / "ws")
    if not path.read_bytes().isascii():  # as all of ISO-2022 is
        with pytest.raises(Refused) as refusal:
            stage_charges(store, path)
        (problem,) = refusal.value.problems
        assert problem.code in ("file-encoding", "encoding-unclear")
        assert "--encoding" in problem.words("fix")
    enter = stage_charges(store, path, said_of_it=Said(encoding=encoding))
    done = enter(_KNOWN, Replaced())
    assert not done.facts.get("quarantined")
    (account,) = preview_charges(path, said=Said(encoding=encoding)).accounts
    assert account.issuer == issuer


@pytest.mark.parametrize(("issuer", "service"), _CHINESE)
@pytest.mark.parametrize("encoding", ["gbk", "gb18030"])
def test_what_says_what_chinese_bills_say_is_read(
    encoding: str, issuer: str, service: str, tmp_path: Path
) -> None:
    path = _written(tmp_path / "charges.csv", encoding, issuer, service)
    done = stage_charges(Store(tmp_path / "ws"), path)(_KNOWN, Replaced())
    (guessed,) = (problem for problem in done.problems if problem.code == "encoding-guessed")
    assert guessed.values["value"] == issuer


def test_a_source_says_its_encoding_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    (tmp_path / "ws").mkdir()
    said = "sources: [{source: seoul, files: seoul/*, encoding: cp949}]"
    (tmp_path / "ws" / "sources.yaml").write_text(said)
    (tmp_path / "seoul").mkdir()
    path = _written(tmp_path / "seoul" / "june.csv", "cp949", "서울 클라우드", "저장소")
    (done,) = import_files(store, [path], _KNOWN, wanted=Wanted())
    assert isinstance(done, Imported)
    assert "CP949" in str([problem.values for problem in done.problems])


def test_a_wrong_guess_is_replaced_by_what_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    path = _written(tmp_path / "june.csv", "gbk", "北辰云", "对象存储")
    (first,) = import_files(store, [path], _KNOWN, wanted=Wanted())
    (again,) = import_files(store, [path], datetime(2025, 1, 2), wanted=Wanted(encoding="gb18030"))
    assert isinstance(first, Imported) and isinstance(again, Imported)
    assert again.facts["replaces"] == [first.id]
    assert [item.id for item in store.imports("charges")] == [again.id]


def test_what_is_no_encoding_of_texts_is_none() -> None:
    names = ("cp949", "UTF-16", "latin-1", "rot13", "base64", "zlib", "x", "", "hex", "\0")
    assert [name for name in names if is_encoding(name)] == ["cp949", "UTF-16", "latin-1"]
