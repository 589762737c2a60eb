"""Formulas as MathML, which browsers draw by themselves: no script, and no network to read the pages."""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.math import wrap_displaymath
from sphinx.writers.html5 import HTML5Translator


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own, with lines under each other where there are several."""
    text = node.astext()
    if "&" in text or r"\\" in text:
        text = wrap_displaymath(text, None, False)
        text = text.replace(r"\begin{split}", r"\begin{aligned}").replace(r"\end{split}", r"\end{aligned}")
        text = text.removeprefix(r"\begin{equation*}").removesuffix("\n").strip().removesuffix(r"\end{equation*}")
    translator.body.append(f'<div class="math">{tex2mathml(text.strip(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True}
