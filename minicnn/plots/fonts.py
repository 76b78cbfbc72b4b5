"""Names in any script, drawn with the fonts that the machine has.

matplotlib comes with DejaVu Sans, which covers Latin, Greek, Cyrillic, Arabic, Hebrew and other
scripts, but not Chinese, Japanese, Korean or those of India; it draws a box for a letter that the
font lacks.  Given a list of fonts, it takes each letter from the first font that has it.
"""

import sys
import unicodedata

from ..console import printable

COMMON_FONTS = (  # on Windows, macOS or Linux
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
    """Return names that can be drawn on this machine, and the font families to draw them with.

    Parameters
    ----------
    names : sequence of str
        The names of the classes.

    Returns
    -------
    list of str
        The names.  A name with a letter that no font has becomes "class 3", counted from 0, and a
        line on stderr lists these names.
    list of str
        For matplotlib's `fontfamily`: its defaults, and the necessary ones of COMMON_FONTS.
    """
    from matplotlib import font_manager, rcParams

    names = [unicodedata.normalize("NFC", name) for name in names]  # é as one letter
    missing = set("".join(names)) - letters(font_manager.FontProperties())
    families = list(rcParams["font.family"])
    installed = {font.name for font in font_manager.fontManager.ttflist} if missing else set()
    for family in COMMON_FONTS:
        supplied = letters(family) & missing if family in installed else set()
        if supplied:
            families.append(family)
            missing -= supplied
    drawn = [f"class {k}" if missing & set(name) else name for k, name in enumerate(names)]
    renamed = [
        f"{new} for {printable(name)}"
        for new, name in zip(drawn, names, strict=True)
        if new != name
    ]
    if renamed:
        more = f" and {len(renamed) - 5} more" if len(renamed) > 5 else ""
        print(
            "minicnn: no installed font has all letters of some names; the picture has "
            f"{', '.join(renamed[:5])}{more}",
            file=sys.stderr,
        )
    return drawn, families


def letters(family):
    """Return the set of characters that a font has."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(family))
    return set(map(chr, font.get_charmap()))
