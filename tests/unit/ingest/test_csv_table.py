from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.ingest.csv_table import read_csv_table
from smartgrid.ingest.normalise import MALFORMED


def test_regular_file_is_read_as_text() -> None:
    table = read_csv_table(b"time,load\n2024-01-01,007\n2024-01-02,1e3\n", ",")
    assert table.to_dicts() == [{"time": "2024-01-01", "load": "007"}, {"time": "2024-01-02", "load": "1e3"}]


def test_lines_that_do_not_fit_become_rows_with_their_text() -> None:
    data = b'a,b\n1,2\n3\n4,5,6\n"7,8\n"9",10\n11,12'
    table = read_csv_table(data, ",")
    assert table[MALFORMED].to_list() == [None, "3", "4,5,6", '"7,8', None, None]
    assert table["a"].to_list() == ["1", None, None, None, "9", "11"]


def test_too_long_and_too_short_lines_do_not_cancel_out() -> None:
    table = read_csv_table(b"a,b,c\n1,2\n1,2,3,4\n", ",")
    assert table[MALFORMED].to_list() == ["1,2", "1,2,3,4"]


def test_quotes_keep_separators_and_thousands() -> None:
    table = read_csv_table(b'zone,load\n"North, upper","1,234.5"\n', ",")
    assert table.drop(MALFORMED).to_dicts() == [{"zone": "North, upper", "load": "1,234.5"}]


def test_byte_order_mark_windows_line_ends_and_blank_lines_do_not_matter() -> None:
    table = read_csv_table(b"\xef\xbb\xbftime;load\r\n\r\n2024-01-01;1\r\n   \r\n2024-01-02;2\r\n\r\n", ";")
    assert table["time"].to_list() == ["2024-01-01", "2024-01-02"]
    assert table["load"].to_list() == ["1", "2"]


def test_trailing_separator_of_every_line_is_harmless() -> None:
    table = read_csv_table(b"a,b\n1,2,\n3,4,\n", ",")
    assert table.select("a", "b").rows() == [("1", "2"), ("3", "4")]
    assert table[MALFORMED].null_count() == 2


def test_bytes_that_are_not_utf_8_are_read_as_windows_1252() -> None:
    assert read_csv_table("zone,load\nM\u00fcnchen,1\n".encode("cp1252"), ",")["zone"].to_list() == ["M\u00fcnchen"]


def test_repeated_column_names_get_numbers() -> None:
    assert read_csv_table(b"a,a,b\n1,2,3\n", ",").columns == ["a", "a_2", "b"]


def test_empty_file_has_no_columns_and_a_header_alone_no_rows() -> None:
    assert read_csv_table(b"", ",").columns == []
    header = read_csv_table(b"a,b\n", ",")
    assert (header.columns, header.height) == (["a", "b"], 0)


_CELL = st.text(alphabet='ab1,;" .', max_size=6)


@given(st.lists(st.lists(_CELL, min_size=1, max_size=4).map(",".join), max_size=20))
def test_no_line_is_ever_lost(lines: list[str]) -> None:
    table = read_csv_table(("time,load\n" + "\n".join(lines)).encode(), ",")
    assert table.height == sum(1 for line in lines if line.strip(" "))
