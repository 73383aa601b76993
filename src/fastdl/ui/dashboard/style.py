"""The looks of the page: two palettes, in which text stands out by 4.5 to 1 (WCAG 2.2, 1.4.3), and plain rules.

`LIGHT` and `DARK` are data so that a test can compute the contrasts; paper is always light. What differs by colour
differs by shape or by a letter too.
"""

from __future__ import annotations

SERIES = 6  # colours of sources; the seventh source has the first one's again, and another letter
GUTTER = 76  # pixels on the left of a chart, for the values of its axis

LIGHT = {
    "page": "#ffffff", "panel": "#f4f6f8", "text": "#1b1f24", "muted": "#57606a", "rule": "#ccd3da",
    "accent": "#0b5cad", "bad": "#b3261e", "wait": "#6b7480", "on": "#ffffff",
    "s0": "#0b5cad", "s1": "#8a4b00", "s2": "#1a6b34", "s3": "#7a3e9d", "s4": "#a3234f", "s5": "#3f5663",
}  # fmt: skip
DARK = {
    "page": "#0f1318", "panel": "#181e26", "text": "#e6e9ed", "muted": "#a3adb8", "rule": "#38424d",
    "accent": "#7ab8ff", "bad": "#ff9a90", "wait": "#8a95a1", "on": "#0f1318",
    "s0": "#7ab8ff", "s1": "#f0b35a", "s2": "#7fd093", "s3": "#cfa4ee", "s4": "#ff9cba", "s5": "#a9bfcd",
}  # fmt: skip


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


_RULES = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,"Segoe UI",Roboto,sans-serif}
header,main,footer{max-width:72rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.25;margin:1.5rem 0 .25rem}
h2{font-size:1.25rem;line-height:1.3;margin:2.5rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.4rem 0;max-width:70ch}
.muted,figcaption,footer{color:var(--muted)}
figcaption,footer,.small{font-size:.875rem}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999rem;top:0;padding:.5rem 1rem;background:var(--page);z-index:1}
.skip:focus{left:.5rem}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:.5rem 0;padding:0}
nav a{display:inline-block;padding:.25rem 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:1rem 0}
.tiles div{background:var(--panel);border:1px solid var(--rule);border-radius:.5rem;padding:.6rem .8rem;min-width:0}
.tiles dt{color:var(--muted);font-size:.875rem}
.tiles dd{margin:0;font-size:1.3rem;font-weight:600;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 2rem}
.pair>*{min-width:0}
figure{margin:1rem 0;min-width:0}
figcaption{margin-bottom:.25rem}
svg{display:block;max-width:100%}
svg text{fill:var(--muted);font-size:12px;font-family:inherit}
svg .lane{fill:var(--text)}
svg .axis{paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
svg .on{fill:var(--on);font-weight:600;text-anchor:middle}
svg .cross{fill:var(--bad);font-size:14px;font-weight:700;text-anchor:middle}
svg.axes{padding-left:@GUTTERpx;overflow:visible}
.grid{stroke:var(--rule);stroke-width:1}
.f{fill:var(--s0)}.w{fill:var(--wait)}.x{fill:var(--bad)}.t{fill:var(--rule)}
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}.s4{fill:var(--s4)}.s5{fill:var(--s5)}
.scroll{overflow-x:auto;margin:.5rem 0;max-width:100%}
table{border-collapse:collapse;min-width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding:.25rem 0}
th,td{text-align:left;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
thead th{white-space:nowrap;border-bottom-width:2px}
tbody th{font-weight:400;overflow-wrap:anywhere;min-width:9.5rem}
td{white-space:nowrap}
td.n,th.n{text-align:right}
td svg{display:inline-block;vertical-align:middle;width:5rem;max-width:none;margin-left:.5rem}
details{border:1px solid var(--rule);border-radius:.5rem;margin:.5rem 0;padding:0 .75rem}
details details{border:0;padding:0;margin:.25rem 0}
summary{cursor:pointer;padding:.5rem 0;overflow-wrap:anywhere}
details details>summary{color:var(--accent);font-size:.875rem}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem .75rem;margin:.25rem 0;font-size:.875rem}
.facts dt{color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.25rem 0;padding:0;font-size:.875rem}
.key li{display:flex;align-items:center;gap:.4rem;min-width:0;overflow-wrap:anywhere}
.key svg{flex:none}
code{font-family:ui-monospace,SFMono-Regular,Consolas,monospace;font-size:.9em;overflow-wrap:anywhere}
.bad{color:var(--bad);font-weight:600}
footer{margin-top:3rem;padding-bottom:2rem;border-top:1px solid var(--rule);padding-top:.75rem}
@media (forced-colors:active){svg text,.f,.w,.x,.s0,.s1,.s2,.s3,.s4,.s5{fill:CanvasText}svg .on{fill:Canvas}
.t{fill:GrayText}.grid{stroke:GrayText}svg .axis{stroke:Canvas}}
@media print{.skip,nav{display:none}.scroll{overflow:visible}details{break-inside:avoid}}
"""

CSS = (
    f":root{{{_variables(LIGHT)}}}@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    + _RULES.replace("\n", "").replace("@GUTTER", str(GUTTER))
)
