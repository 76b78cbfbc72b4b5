"""Names in any script, drawn with the fonts that the machine has.

matplotlib brings DejaVu Sans, which has Latin, Greek, Cyrillic, Arabic, Hebrew and more letters,
but neither Chinese nor Japanese nor Korean, nor those of India; for what a font lacks it draws
boxes.  Given a list of fonts, it takes each letter from the first one that has it.
"""

import sys
import unicodedata

OFTEN_THERE = (  # with Windows, with macOS, or on Linux
    "Arial Unicode MS", "Noto Sans",
    "Microsoft YaHei", "SimHei", "PingFang SC", "PingFang HK", "Hiragino Sans GB", "Heiti TC",
    "STHeiti", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Yu Gothic", "Meiryo", "MS Gothic", "Hiragino Sans", "Noto Sans JP", "IPAGothic", "TakaoGothic",
    "Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic", "Noto Sans KR", "NanumGothic",
    "Nirmala UI", "Kohinoor Devanagari", "Noto Sans Devanagari", "Lohit Devanagari", "Mangal",
    "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Telugu", "FreeSans", "FreeSerif",
    "Leelawadee UI", "Tahoma", "Thonburi", "Noto Sans Thai", "Ebrima", "Noto Sans Ethiopic",
)  # fmt: skip


def drawable(names):
    """Return names as they can be drawn here, and the font families to draw them with.

    Parameters
    ----------
    names : sequence of str
        The names of the classes.

    Returns
    -------
    list of str
        The names; one with a letter that no font has is "class 3", counted from 0, and a line on
        stderr says which these are.
    list of str
        For matplotlib's `fontfamily`: its usual ones, and as many of OFTEN_THERE as it takes.
    """
    from matplotlib import font_manager, rcParams

    names = [unicodedata.normalize("NFC", name) for name in names]  # é as one letter
    lacking = set("".join(names)) - letters(font_manager.FontProperties())
    families = list(rcParams["font.family"])
    found = {font.name for font in font_manager.fontManager.ttflist} if lacking else set()
    for family in OFTEN_THERE:
        has = letters(family) & lacking if family in found else set()
        if has:
            families.append(family)
            lacking -= has
    drawn = [f"class {k}" if lacking & set(name) else name for k, name in enumerate(names)]
    others = [f"{to} for {name}" for to, name in zip(drawn, names, strict=True) if to != name]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        print(
            "minicnn: no font that was found here has all letters of some names; the picture has "
            f"{', '.join(others[:5])}{more}",
            file=sys.stderr,
        )
    return drawn, families


def letters(family):
    """Return the characters that a font has, as a set."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(family))
    return set(map(chr, font.get_charmap()))
