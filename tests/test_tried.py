"""The table of kinds of files with the inputs that are tried of each, made from the tests' lists.

`FENRUN_WRITE_GOLDEN=1` writes it into the pages that show it.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

PAGES = {
    "en": Path("docs/how-to/own-data.md"),
    "zh-CN": Path("docs/how-to/own-data.zh-CN.md"),
}
HEADS = {"en": "| kind | inputs tried |", "zh-CN": "| 种类 | 试过的输入 |"}
FEWEST = 20
TRIED: dict[str, tuple[str, str, str]] = {
    # What is tried, in English and Chinese, and the lists or tests: of a test, what it is run with.
    "dates": (
        "dates and times that are read, that are none, and whose order all say together",
        "可读取的、不是日期的，以及放在一起才能看出顺序的日期和时间",
        "charges.test_written:ALONE NO_DATES TOGETHER UNCLEAR",
    ),
    "orders": (
        "day or month first, as the periods of a file show it",
        "由文件中的期间看出日在前还是月在前",
        "charges.test_written:PERIODS",
    ),
    "clocks": (
        "times without a zone, of ten clocks",
        "没有时区的时间，十种时钟",
        "charges.test_zones:SHANGHAI ELSEWHERE",
    ),
    "beyond": (
        "dates that nothing can hold, or long after the file",
        "不可能的日期，或远在文件之后的日期",
        "charges.test_bad_files:test_a_date_that_nothing_can_hold_is_kept_aside_alone "
        "test_no_charge_begins_over_two_years_after_its_file_is_known",
    ),
    "decimals": (
        "decimals with points, commas and groups",
        "含小数点、逗号和分组的小数",
        "charges.test_written:MARKS test_numbers_that_do_not_say_it_are_refused",
    ),
    "amounts": (
        "amounts as accounts write them, and what is none",
        "财务写法的金额，以及不是金额的",
        "charges.test_notations:AMOUNTS NO_AMOUNTS",
    ),
    "columns of amounts": (
        "columns of amounts in one notation or two",
        "一列金额只有一种写法，或有两种",
        "charges.test_notations:COLUMNS",
    ),
    "currencies": (
        "currencies: codes in other forms, and what is no code",
        "币种：其他写法的代码，以及不是代码的",
        "charges.test_currencies:MEANT NONE",
    ),
    "no value": (
        "words for no value, and names that only begin so",
        "表示“没有”的词，以及只是以此开头的名称",
        "charges.test_no_names:WORDS NAMES",
    ),
    "encodings": (
        "encodings: Unicode in all forms, Chinese, and what only looks like it",
        "编码：各种 Unicode、中文，以及只是看似中文的",
        "charges.test_encodings:_OTHERS test_what_says_what_chinese_bills_say_is_read "
        "charges.test_forms:FORMS~UTF|GB REFUSED~1252|JIS|UTF",
    ),
    "delimiters": (
        "delimiters, line ends, trailing delimiters",
        "分隔符、换行、行尾多余的分隔符",
        "charges.test_forms:FORMS~comma|semicolon|tab|pipe|CR|sep|end",
    ),
    "packings": (
        "packed and nested forms: gz, zst, zip, JSON lines",
        "压缩和嵌套的形式：gz、zst、zip、JSON lines",
        "charges.test_forms:FORMS~zip|zstd|JSON",
    ),
    "no form": (
        "files that do not say their form, or are none of charges",
        "说不清形式的文件，或不是费用的文件",
        "charges.test_forms:REFUSED",
    ),
    "types": (
        "types of Parquet",
        "Parquet 类型",
        "charges.test_forms:TYPES test_a_column_of_several_types_is_one_text",
    ),
    "headers": (
        "headers that are not of FOCUS, and months by themselves",
        "不是 FOCUS 的表头，以及单独的月份",
        "charges.test_headings:PLAIN UNCLEAR test_what_cannot_be_agreed_is_refused",
    ),
    "names": (
        "names of files",
        "文件名",
        "charges.test_names:test_a_file_is_read_under_its_name",
    ),
    "unfit": (
        "texts that name nothing: NUL, far too long",
        "不能作为名称的文本：NUL、过长",
        "charges.test_unfit:test_an_unfit_text_stops_its_row_alone",
    ),
    "totals": (
        "totals at the end, and rows that only look like them",
        "末尾的合计行，以及只是看似合计的行",
        "charges.test_totals:test_a_total_at_the_end_is_left_out "
        "test_a_total_that_is_doubtful_is_set_apart",
    ),
    "hostile": (
        "files as others make them: texts end to end, marks, units, signs, eras, subtotals",
        "他人产生的文件：首尾相接的文本、标记、单位、符号、年号、小计",
        "charges.test_hostile:OUTCOMES",
    ),
    "refused": (
        "files that break off, or have other cells than their header",
        "中途断开的文件，或单元格与表头不符的文件",
        "charges.test_bad_files:BAD",
    ),
    "archives": (
        "archives that are damaged or say otherwise than they hold",
        "损坏的压缩包，或所写与所含不符的压缩包",
        "charges.test_damaged_archives:test_an_entry_that_says_otherwise "
        "test_bytes_that_are_otherwise",
    ),
    "gaps": (
        "columns that providers leave empty",
        "供应商留空的列",
        "charges.test_gaps:FILLED test_a_gap_that_a_provider_publishes_explains_its_empty_columns "
        "test_no_value_is_named_that_could_be_wrong",
    ),
    "overlaps": (
        "charges that come again, and what only looks like it",
        "再次出现的费用，以及只是看似如此的",
        "charges.test_overlaps:AGAIN OTHERS",
    ),
    "pieces": (
        "one bill in other pieces in two files, and what only looks like it",
        "两个文件中同一账单的不同拆法，以及只是看似如此的",
        "charges.test_pieces:SAME OTHERS",
    ),
    "redelivered": (
        "one bill under other names, with other amounts or in another zone, and what looks like it",
        "同一账单换了名称、金额或时区，以及只是看似如此的",
        "charges.test_redelivered:ALIKE SHIFTED OTHERS",
    ),
    "within": (
        "one file that holds both forms, in days or hours, and what only looks like it",
        "一个文件有两种形式（按日或按小时），以及只是看似如此的",
        "charges.test_pieces:WITHIN BY_PART BY_HOUR APART",
    ),
    "sales": (
        "sales that two issuers bill, and what only looks like it",
        "两个开票方都出账的销售，以及只是看似如此的",
        "charges.test_sales:BOTH APART",
    ),
    "invoices": (
        "invoices beside charges",
        "发票与费用",
        "settle.test_reconciled:"
        "test_charges_sum_to_their_invoices_but_for_the_rounding_of_lines "
        "test_an_invoice_that_cannot_be_compared_is_refused",
    ),
    "sources": (
        "how a source delivers: addresses, versions, what cannot be followed",
        "来源的交付方式：地址、版本、无法执行的写法",
        "settle.test_sources:test_files_fit_the_end_of_an_address "
        "test_what_cannot_be_followed_is_refused_before_anything_is_read",
    ),
    "manifests": (
        "manifests of AWS, Azure and others: parts, bytes, rows, other runs and months",
        "AWS、Azure 及其他的清单文件：各部分、字节数、行数、其他批次和月份",
        "settle.test_manifests:MANIFESTS OTHER_MONTH",
    ),
    "workbooks": (
        "workbooks: merged cells, formulas, hidden rows, days since 1904, errors",
        "工作簿：合并单元格、公式、隐藏的行、自 1904 年起算的日期、错误值",
        "book.test_excel:CASES book.test_workbooks:REFUSED",
    ),
    "once": (
        "kinds that came out wrong once, each by its name",
        "曾经读错过的各类文件，逐一列名",
        "settle.test_kinds:KINDS ODD_DAYS",
    ),
    "damaged": (
        "damaged files: forms, of each 3 every day and 65 at night",
        "损坏的文件：形式，每种每天 3 个、夜间 65 个",
        "charges.test_mutated:FORMS",
    ),
}
MUST_HAVE_MANY = ("dates", "decimals", "encodings", "delimiters", "overlaps")


def _count(refs: str) -> int:
    """Count the inputs of lists or tests; a word with a colon names the module of those after."""
    found, module = 0, ""
    for word in refs.split():
        module, name = word.rsplit(":", 1) if ":" in word else (module, word)
        name, _, pattern = name.partition("~")
        there = getattr(import_module(f"tests.{module}"), name)
        found += _runs(there) if callable(there) else len(_fitting(there, pattern))
    return found


def _runs(test: Any) -> int:
    marks = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return prod(len([*mark.args[1]]) for mark in marks)


def _fitting(some: Any, pattern: str) -> list[Any]:
    return [one for one in some if not pattern or re.search(pattern, one)]


def _table(lang: str) -> str:
    place = [*PAGES].index(lang)
    rows = [f"| {kind[place]} | {_count(kind[2])} |" for kind in TRIED.values()]
    return "\n".join([HEADS[lang], "| --- | --- |", *rows]) + "\n"


def test_the_table_of_kinds_is_what_is_tried() -> None:
    """Of 32 kinds, with 20 inputs and more of those on which money hangs most."""
    assert len(TRIED) >= 25
    assert all(_count(TRIED[kind][2]) >= FEWEST for kind in MUST_HAVE_MANY)
    for lang, page in PAGES.items():
        text = page.read_text("utf-8")
        before, head, rest = text.partition(HEADS[lang])
        after = re.sub(r"\A(?:\|.*\n)*", "", rest.partition("\n")[2])
        told = before + _table(lang) + after
        if "FENRUN_WRITE_GOLDEN" in os.environ:
            page.write_text(told, "utf-8")
            continue
        assert head and text == told, "run again with FENRUN_WRITE_GOLDEN=1"
