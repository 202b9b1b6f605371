"""Charts as SVG files that read on light and on dark paper: bars in groups, and lines over a logarithmic axis."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#8a8a8a", "#2f7ed8", "#e07b39", "#3a9d5d", "#b04fa5", "#c9a227", "#d9534f", "#4bb3b3"]
STYLE = """<style>
text { font: 12px sans-serif; fill: #222 } .small { font-size: 11px } .title { font-size: 15px; font-weight: bold }
.paper { fill: #fff } .grid { stroke: #ddd } .axis { stroke: #666 } .limit { stroke: #c00; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .paper { fill: #16181c } .grid { stroke: #363a40 } .axis { stroke: #999 } }
</style>"""


def ticks(top):
    """Round numbers from 0 to at least `top`."""
    step = 10 ** math.floor(math.log10(top / 4)) if top > 0 else 1
    step = next(step * m for m in (1, 2, 2.5, 5, 10) if step * m * 5 >= top)
    return [i * step for i in range(int(math.ceil(top / step)) + 1)]


def short(value):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return "%.3g%s" % (value / size, letter)
    return "%.3g" % value


def text(x, y, words, anchor="start", style="", extra=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" class="%s"%s>%s</text>' % (x, y, anchor, style, extra, escape(str(words)))


def document(width, height, title, under, parts):
    head = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">' % (width, height, width, height), STYLE,
            '<rect class="paper" width="100%" height="100%"/>', text(16, 24, title, style="title"), text(16, 42, under, style="small")]
    return "\n".join(head + parts + ["</svg>", ""])


def legend(names, colours, x, y):
    out = []
    for name in names:
        out += ['<rect x="%d" y="%d" width="12" height="12" rx="2" fill="%s"/>' % (x, y - 10, colours[name]), text(x + 17, y, name)]
        x += 30 + 8 * len(name)
    return out


def palette(names):
    """A colour for each name, the same in every chart."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def bars(title, under, names, colours, rows):
    """Horizontal bars: rows is [(label, [value or None, one for each name])]. What was not measured has no bar but a dash."""
    thick, left, width = 13, 190, 860
    group = thick * len(names) + 12
    top, height = 78, 78 + group * len(rows) + 34
    marks = ticks(max((v for _, values in rows for v in values if v), default=1))
    scale = (width - left - 70) / (marks[-1] or 1)
    out = legend(names, colours, left, 64)
    for m in marks:
        x = left + m * scale
        out += ['<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>' % (x, x, top, height - 30), text(x, height - 14, short(m), "middle", "small")]
    for r, (label, values) in enumerate(rows):
        y = top + r * group + 4
        out.append(text(left - 8, y + thick * len(names) / 2 + 4, label, "end"))
        for i, value in enumerate(values):
            words = "-" if value is None else short(value)
            wide = (value or 0) * scale
            out.append('<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>' % (left, y + i * thick, wide, thick - 2, colours[names[i]]))
            out.append(text(left + wide + 4, y + i * thick + 10, words, style="small"))
    return document(width, height, title, under, out)


def lines(title, under, names, colours, points, x_label):
    """Lines: points is {name: [(x, y)]}, x on a logarithmic axis, y from 0."""
    left, top, width, height = 64, 78, 760, 420
    right, bottom = width - 30, height - 50
    xs = sorted({x for series in points.values() for x, _ in series})
    marks = ticks(max((y for series in points.values() for _, y in series), default=1))
    low, high = math.log10(xs[0]), math.log10(xs[-1])

    def place(x, y):
        part = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return left + part * (right - left), bottom - y / (marks[-1] or 1) * (bottom - top)

    out = legend(names, colours, left, 64)
    for m in marks:
        y = place(xs[0], m)[1]
        out += ['<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>' % (left, right, y, y), text(left - 6, y + 4, short(m), "end", "small")]
    for x in xs:
        out += [text(place(x, 0)[0], bottom + 18, short(x), "middle", "small")]
    out += ['<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>' % (left, right, bottom, bottom), text((left + right) / 2, height - 12, x_label, "middle")]
    for name in names:
        at = [place(x, y) for x, y in points.get(name, [])]
        colour = colours[name]
        out.append('<polyline fill="none" stroke="%s" stroke-width="2.5" points="%s"/>' % (colour, " ".join("%.1f,%.1f" % p for p in at)))
        out += ['<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (p[0], p[1], colour) for p in at]
    return document(width, height, title, under, out)
