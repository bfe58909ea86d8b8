"""The look of the HTML report: one column, system fonts, light and dark, readable on a phone and on paper."""

STYLE = """
:root { --page: #ffffff; --text: #1c1c1c; --soft: #5a5a5a; --line: #d5d5d5; --tint: #f4f5f7; --link: #00558c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --text: #e8e8e8; --soft: #a9adb3; --line: #3b3f45; --tint: #212429; --link: #7cc4f5; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
nav { background: var(--tint); border-radius: .5rem; padding: .25rem 1rem; }
nav ol { columns: 16rem; padding-left: 1.5rem; }
li { margin: .15rem 0; }
.list-title { margin: .75rem 0 0; color: var(--soft); }
.list-title + ul, .list-title + ol { margin-top: .25rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td { min-width: 7.5rem; }
tbody th { font-weight: 600; min-width: 8rem; }
thead th { color: var(--soft); font-weight: 600; }
figure { margin: 1.25rem 0; }
img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .35rem; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; margin: .75rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; background: var(--tint); padding: .75rem; border-radius: .5rem; font-size: .82rem; }
@media print { nav { display: none; } body { max-width: none; } }
"""
"""CSS without any address in it."""
