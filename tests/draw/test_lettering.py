import numpy as np
import pytest

from edge_infer.draw.colors import BLACK, COLORS, WHITE, ink_on
from edge_infer.draw.lettering import UNICODE, line_height, width_of, writable, write


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("cat", "cat"),
        ("größer", "grosser"),
        ("Crème brûlée", "Creme brulee"),
        ("Ærøskøbing – Łódź", "AEroskobing - Lodz"),
        ("21 °C, 5 m²", "21 deg C, 5 m2"),
        ("猫", "class 3"),
        ("кот 1", "class 3"),
        ("two\nlines", "two lines"),
        ("bell\x07", "bell"),
    ],
)
def test_without_a_font_for_it_a_text_becomes_ascii_or_the_number_of_its_class(text: str, plain: str) -> None:
    assert writable(text, "class 3", unicode=False) == plain


def test_with_a_font_for_it_a_text_stays_as_it_is() -> None:
    assert writable("größer 猫", "class 3", unicode=True) == "größer 猫"
    assert writable("two\n lines\x00", "", unicode=True) == "two lines"


def test_letters_of_other_scripts_are_no_question_marks() -> None:
    drawn = []
    for number, text in enumerate(("猫", "к", "γ", "?")):
        canvas = np.zeros((60, 60, 3), np.uint8)
        write(canvas, writable(text, str(number)), (5, 5), 30, WHITE)  # OpenCV 4 draws ASCII alone
        assert canvas.any()
        drawn.append(canvas.tobytes())
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("em", [8.0, 12.0, 33.3, 120.0])
def test_a_line_lies_within_its_height_and_width(em: float) -> None:
    text = "Ängy_gj|[0.85]" if UNICODE is not None else "Angy_gj|[0.85]"
    height, width = line_height(em), width_of(text, em)
    canvas = np.zeros((3 * height, width + 40, 3), np.uint8)
    write(canvas, text, (20, height), em, WHITE)
    rows, columns = np.nonzero(canvas.max(axis=2) > 60)
    assert height - 1 <= rows.min()
    assert rows.max() <= 2 * height
    assert 20 - 0.1 * em <= columns.min()
    assert columns.max() <= 20 + width + 0.1 * em
    assert np.ptp(rows) > 0.6 * em


@pytest.mark.parametrize("color", [*COLORS, BLACK, WHITE])
def test_letters_are_read_on_every_colour(color: tuple[int, int, int]) -> None:
    """Source: WCAG 2.2, 1.4.3: a contrast ratio of 4.5."""

    def light(of: tuple[int, int, int]) -> float:
        parts = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in of]
        return float(np.dot(parts, (0.0722, 0.7152, 0.2126)))

    darker, lighter = sorted((light(color), light(ink_on(color))))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
